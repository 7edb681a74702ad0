// statx: see statx.h. The code makes the system call directly. glibc's wrapper calls plain stat on kernels without
// statx and does not say so, musl has no wrapper before 1.2.3, and linux/stat.h is newer than the copy of the structure
// in either.
#include "syscalls/statx.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "syscalls/stat.h"
#include "syscalls/statx_constants.h"

// fcntl.h has it only with _GNU_SOURCE.
#ifndef AT_EMPTY_PATH
#define AT_EMPTY_PATH 0x1000
#endif

namespace daxkind::syscalls {

namespace {

Timestamp timestamp(const struct statx_timestamp& from) {
    return {from.tv_sec, from.tv_nsec};
}

// Whether the call itself is refused, for any path. A kernel before 4.11 does not have it, and a sandbox answers with
// one of these errors. At the same errors libuv asks stat instead.
bool isRefusal(int error) {
    return error == ENOSYS || error == EPERM || error == EINVAL || error == EOPNOTSUPP;
}

}  // namespace

std::optional<bool> FileStatus::dax() const {
    // Linux 5.10 sets the attribute, but does not list it in the mask yet.
    if ((attributes & STATX_ATTR_DAX) != 0) return true;
    if ((attributesMask & STATX_ATTR_DAX) != 0) return false;
    return std::nullopt;
}

uint32_t statxEverything() {
    return STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID | STATX_DIOALIGN;
}

int statxPath(int directoryFd, const char* path, int flags, uint32_t mask, FileStatus* out) {
    struct statx raw;
    std::memset(&raw, 0, sizeof raw);
    if (syscall(SYS_statx, directoryFd, path, flags, mask, &raw) != 0) {
        const int error = errno;
        if (!isRefusal(error)) return -error;
        if (const int result = statPath(directoryFd, path, flags, out); result != 0) return result;
        out->mask = STATX_BASIC_STATS;
        out->refusal = -error;
        return 0;
    }
    FileStatus status = {};
    status.mask = raw.stx_mask;
    status.attributes = raw.stx_attributes;
    status.attributesMask = raw.stx_attributes_mask;
    status.blockSize = raw.stx_blksize;
    status.links = raw.stx_nlink;
    status.uid = raw.stx_uid;
    status.gid = raw.stx_gid;
    status.mode = raw.stx_mode;
    status.inode = raw.stx_ino;
    status.size = raw.stx_size;
    status.blocks = raw.stx_blocks;
    status.accessed = timestamp(raw.stx_atime);
    status.created = timestamp(raw.stx_btime);
    status.changed = timestamp(raw.stx_ctime);
    status.modified = timestamp(raw.stx_mtime);
    status.deviceMajor = raw.stx_dev_major;
    status.deviceMinor = raw.stx_dev_minor;
    status.representsMajor = raw.stx_rdev_major;
    status.representsMinor = raw.stx_rdev_minor;
#ifdef DAXKIND_STATX_HAS_MOUNT_ID
    status.mountId = raw.stx_mnt_id;
#endif
#ifdef DAXKIND_STATX_HAS_DIRECT_IO
    status.directIoMemoryAlignment = raw.stx_dio_mem_align;
    status.directIoOffsetAlignment = raw.stx_dio_offset_align;
#endif
    *out = status;
    return 0;
}

int statxDescriptor(int fd, FileStatus* out) {
    return statxPath(fd, "", AT_EMPTY_PATH, statxEverything(), out);
}

}  // namespace daxkind::syscalls
