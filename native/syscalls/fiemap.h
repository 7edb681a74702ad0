// FS_IOC_FIEMAP: where on its device a file's blocks are. Huge pages need extents that are aligned there, and erofs and
// ext4 show here what keeps a file off DAX: data inside the inode, packed tails, compression.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace daxkind::syscalls {

// A run of blocks of a file: offsets and length in bytes.
struct Extent {
    // In the file.
    uint64_t logical;
    // On the block device that the file system is on; 0 and meaningless with FIEMAP_EXTENT_UNKNOWN.
    uint64_t physical;
    uint64_t length;
    // FIEMAP_EXTENT_ bits.
    uint32_t flags;
};

// The first `most` extents of the bytes [from, to) of a file, in their order, and whether those are all. Those at the
// ends may reach beyond that. Asks for nothing to be written back.
// Returns 0, or a negative errno of ioctl: -EOPNOTSUPP or -ENOTTY where the file system does not tell.
int readExtents(int fd, uint64_t from, uint64_t to, size_t most, std::vector<Extent>* out, bool* complete);

// All of them. Returns as readExtents.
int readAllExtents(int fd, uint64_t from, uint64_t to, std::vector<Extent>* out);

}  // namespace daxkind::syscalls
