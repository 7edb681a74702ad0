// FS_IOC_GETFLAGS: see inode_flags.h.
#include "syscalls/inode_flags.h"

#include <sys/ioctl.h>
#include <cerrno>

#include "syscalls/kernel.h"

namespace daxkind::syscalls {

int getInodeFlags(int fd, std::uint32_t* out) {
    // The request's number says long, but the kernel writes an int.
    unsigned int flags = 0;
    if (ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0) return -errno;
    *out = flags;
    return 0;
}

}  // namespace daxkind::syscalls
