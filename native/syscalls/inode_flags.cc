// FS_IOC_GETFLAGS, FS_IOC_SETFLAGS: see inode_flags.h.
#include "syscalls/inode_flags.h"

#include <sys/ioctl.h>

#include <cerrno>

#include "syscalls/kernel.h"

namespace daxkind::syscalls {

int getInodeFlags(int fd, uint32_t* out) {
    // The request's number says long, but the kernel writes an int.
    unsigned int flags = 0;
    if (ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0) return -errno;
    *out = flags;
    return 0;
}

int setInodeFlags(int fd, uint32_t flags) {
    unsigned int wanted = flags;
    return ioctl(fd, FS_IOC_SETFLAGS, &wanted) == 0 ? 0 : -errno;
}

}  // namespace daxkind::syscalls
