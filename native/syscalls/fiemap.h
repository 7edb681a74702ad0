// FS_IOC_FIEMAP: where a file's blocks are on its device. Huge pages need extents that are aligned there. On erofs and
// ext4 the extents also show what keeps a file off DAX: data inside the inode, packed tails, compression.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace daxkind::syscalls {

// A run of blocks of a file: offsets and length in bytes.
struct Extent {
    // In the file.
    uint64_t logical;
    // On the block device that the file system is on. It is 0 and meaningless with FIEMAP_EXTENT_UNKNOWN.
    uint64_t physical;
    uint64_t length;
    // FIEMAP_EXTENT_ bits.
    uint32_t flags;
};

// Reads the first `most` extents of the bytes [from, to) of a file, in their order, and says whether those are all. The
// first and the last extent may reach beyond the range. Does not ask for anything to be written back. Returns 0, or a
// negative errno of ioctl: -EOPNOTSUPP or -ENOTTY where the file system does not tell.
int readExtents(int fd, uint64_t from, uint64_t to, size_t most, std::vector<Extent>* out, bool* complete);

// Reads all extents. Returns as readExtents does.
int readAllExtents(int fd, uint64_t from, uint64_t to, std::vector<Extent>* out);

}  // namespace daxkind::syscalls
