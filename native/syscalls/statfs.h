// statfs and fstatfs: which file system a file is on, and how much room the file system has.
#pragma once

#include <cstdint>

namespace daxkind::syscalls {

struct FileSystemStatus {
    // One of the _MAGIC numbers of linux/magic.h.
    uint64_t type;
    // Bytes per block; the three counts below are in this unit.
    uint64_t blockSize;
    uint64_t blocks;
    uint64_t blocksFree;
    // What an ordinary user can still take.
    uint64_t blocksAvailable;
    uint64_t files;
    uint64_t filesFree;
    // ST_RDONLY, ST_NOSUID… of the mount.
    uint64_t mountFlags;
};

// fstatfs. Returns 0 or a negative errno.
int statfsDescriptor(int fd, FileSystemStatus* out);

// statfs. Returns 0 or a negative errno.
int statfsPath(const char* path, FileSystemStatus* out);

// The smallest part of a file that can be mapped separately: a page, or on hugetlbfs one of its huge pages. It is a
// page, too, where fstatfs is refused.
uint64_t mappingGranule(int fd);

}  // namespace daxkind::syscalls
