// FS_IOC_FSGETXATTR and FS_IOC_FSSETXATTR: see fsxattr.h.
#include "syscalls/fsxattr.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "syscalls/kernel.h"

namespace daxkind::syscalls {

namespace {

Fsxattr plain(const struct fsxattr& raw) {
    return {raw.fsx_xflags, raw.fsx_extsize, raw.fsx_nextents, raw.fsx_projid, raw.fsx_cowextsize};
}

int readRaw(int fd, struct fsxattr* raw) {
    *raw = {};
    return ioctl(fd, FS_IOC_FSGETXATTR, raw) == 0 ? 0 : -errno;
}

}  // namespace

int openForFsxattr(const char* path, bool followsLink, int* fd, const char** failedCall) {
    *failedCall = "open";
    struct stat status;
    if ((followsLink ? stat(path, &status) : lstat(path, &status)) != 0) return -errno;
    if (S_ISLNK(status.st_mode)) return -ELOOP;
    if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) {
        *failedCall = "ioctl";
        return -ENOTTY;
    }
    int opened;
    do opened = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | (followsLink ? 0 : O_NOFOLLOW));
    while (opened < 0 && errno == EINTR);
    if (opened < 0) return -errno;
    *fd = opened;
    return 0;
}

int getFsxattr(int fd, Fsxattr* out) {
    struct fsxattr raw;
    if (const int result = readRaw(fd, &raw); result != 0) return result;
    *out = plain(raw);
    return 0;
}

int changeFsxattrFlags(int fd, uint32_t set, uint32_t clear, Fsxattr* after, bool* changed) {
    struct fsxattr raw;
    if (const int result = readRaw(fd, &raw); result != 0) return result;
    const uint32_t before = raw.fsx_xflags;
    const uint32_t wanted = (before | set) & ~clear;
    if (wanted != before) {
        raw.fsx_xflags = wanted & ~FS_XFLAG_HASATTR;
        if (ioctl(fd, FS_IOC_FSSETXATTR, &raw) != 0) return -errno;
        raw.fsx_xflags = wanted;
    }
    if (after != nullptr) *after = plain(raw);
    if (changed != nullptr) *changed = wanted != before;
    return 0;
}

}  // namespace daxkind::syscalls
