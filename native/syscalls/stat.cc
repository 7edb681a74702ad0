// stat: see stat.h. It is not in statx.cc, because sys/stat.h cannot stand beside linux/stat.h with every C library.
#include "syscalls/stat.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>

namespace daxkind::syscalls {

namespace {

Timestamp timestamp(const struct timespec& from) {
    return {from.tv_sec, static_cast<uint32_t>(from.tv_nsec)};
}

}  // namespace

int statPath(int directoryFd, const char* path, int flags, FileStatus* out) {
    struct stat raw;
    if (fstatat(directoryFd, path, &raw, flags) != 0) return -errno;
    FileStatus status = {};
    status.blockSize = static_cast<uint32_t>(raw.st_blksize);
    status.links = static_cast<uint32_t>(raw.st_nlink);
    status.uid = raw.st_uid;
    status.gid = raw.st_gid;
    status.mode = raw.st_mode;
    status.inode = raw.st_ino;
    status.size = static_cast<uint64_t>(raw.st_size);
    status.blocks = static_cast<uint64_t>(raw.st_blocks);
    status.accessed = timestamp(raw.st_atim);
    status.changed = timestamp(raw.st_ctim);
    status.modified = timestamp(raw.st_mtim);
    status.deviceMajor = major(raw.st_dev);
    status.deviceMinor = minor(raw.st_dev);
    status.representsMajor = major(raw.st_rdev);
    status.representsMinor = minor(raw.st_rdev);
    *out = status;
    return 0;
}

}  // namespace daxkind::syscalls
