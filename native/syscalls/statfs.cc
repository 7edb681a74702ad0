// statfs and fstatfs: see statfs.h.
#include "syscalls/statfs.h"

#include <sys/vfs.h>

#include <cerrno>

#include "syscalls/kernel.h"
#include "syscalls/mapping.h"

namespace daxkind::syscalls {

namespace {

int take(int result, const struct statfs& raw, FileSystemStatus* out) {
    if (result != 0) return -errno;
    FileSystemStatus status = {};
    // The type is a signed word whose upper half means nothing, because magic numbers have 32 bits.
    status.type = static_cast<uint32_t>(raw.f_type);
    status.blockSize = static_cast<uint64_t>(raw.f_frsize != 0 ? raw.f_frsize : raw.f_bsize);
    status.blocks = raw.f_blocks;
    status.blocksFree = raw.f_bfree;
    status.blocksAvailable = raw.f_bavail;
    status.files = raw.f_files;
    status.filesFree = raw.f_ffree;
    status.mountFlags = static_cast<uint64_t>(raw.f_flags);
    *out = status;
    return 0;
}

}  // namespace

int statfsDescriptor(int fd, FileSystemStatus* out) {
    struct statfs raw = {};
    return take(fstatfs(fd, &raw), raw, out);
}

int statfsPath(const char* path, FileSystemStatus* out) {
    struct statfs raw = {};
    return take(statfs(path, &raw), raw, out);
}

uint64_t mappingGranule(int fd) {
    FileSystemStatus status;
    const bool isHuge = statfsDescriptor(fd, &status) == 0 && status.type == HUGETLBFS_MAGIC;
    return isHuge ? status.blockSize : pageSize();
}

}  // namespace daxkind::syscalls
