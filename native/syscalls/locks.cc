#include "syscalls/locks.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>

namespace daxkind::syscalls {

int lockRange(int fd, uint64_t offset, uint64_t length) {
    struct flock range = {};
    range.l_type = F_WRLCK;
    range.l_whence = SEEK_SET;
    range.l_start = static_cast<off_t>(offset);
    range.l_len = static_cast<off_t>(length);
    if (fcntl(fd, F_OFD_SETLK, &range) == 0) return 0;
    return errno == EACCES ? -EAGAIN : -errno;
}

int lock(int fd) {
    int result;
    do result = flock(fd, LOCK_EX) == 0 ? 0 : -errno;
    while (result == -EINTR);
    return result;
}

void unlock(int fd) {
    flock(fd, LOCK_UN);
}

}  // namespace daxkind::syscalls
