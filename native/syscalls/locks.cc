#include "syscalls/locks.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>

namespace daxkind::syscalls {

namespace {

int setLock(int fd, short type, uint64_t offset, uint64_t length) {
    struct flock range = {};
    range.l_type = type;
    range.l_whence = SEEK_SET;
    range.l_start = static_cast<off_t>(offset);
    range.l_len = static_cast<off_t>(length);
    if (fcntl(fd, F_OFD_SETLK, &range) == 0) return 0;
    return errno == EACCES ? -EAGAIN : -errno;
}

}  // namespace

int lockRange(int fd, uint64_t offset, uint64_t length) {
    return setLock(fd, F_WRLCK, offset, length);
}

int lockRangeShared(int fd, uint64_t offset, uint64_t length) {
    return setLock(fd, F_RDLCK, offset, length);
}

void unlockRange(int fd, uint64_t offset, uint64_t length) {
    setLock(fd, F_UNLCK, offset, length);
}

int tryLock(int fd) {
    return flock(fd, LOCK_EX | LOCK_NB) == 0 ? 0 : -errno;
}

void unlock(int fd) {
    flock(fd, LOCK_UN);
}

}  // namespace daxkind::syscalls
