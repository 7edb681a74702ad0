// A file's blocks: fallocate, hole punching and ftruncate. Each function returns 0 or a negative errno, and starts
// again when a signal interrupts it. Offsets and lengths are bytes. Values that off_t cannot hold give -EFBIG.
#pragma once

#include <cstdint>

namespace daxkind::syscalls {

// fallocate: gives the range blocks, so that a later store into its mapping cannot find the file system full. Grows the
// file to the range's end unless `keepSize`. -ENOSPC when the file system is full: a part of the range may be allocated
// then. -EOPNOTSUPP on file systems without fallocate (ext2 without extents, NFS before 4.2).
int allocate(int fd, uint64_t offset, uint64_t length, bool keepSize);

// allocate with `keepSize`, but it gives back what it took when it fails: what had no blocks has none again, what had
// some keeps them, and no byte changes. It is plain allocate where the file system does not tell its extents
// (FS_IOC_FIEMAP). tmpfs is such a file system, and takes all or nothing anyway. The failed call is fallocate.
int allocateOrNothing(int fd, uint64_t offset, uint64_t length);

// fallocate(PUNCH_HOLE|KEEP_SIZE): gives back the whole blocks in the range and zeroes the rest of it. The failed call
// is fallocate.
int punchHole(int fd, uint64_t offset, uint64_t length);

// allocate with `keepSize` for a file on DAX. While somebody has a page of the file pinned, XFS would wait. This gives
// -EBUSY after 60 ms. A write into the range does not wait.
int allocateOnDax(int fd, uint64_t offset, uint64_t length);

// punchHole for a file on DAX. It waits as long as somebody has a page of the file pinned, which may be for ever. In
// between it lets others use the file's blocks.
int punchHoleOnDax(int fd, uint64_t offset, uint64_t length);

// ftruncate. The failed call is ftruncate.
int truncate(int fd, uint64_t size);

}  // namespace daxkind::syscalls
