// A file's blocks: fallocate, hole punching and ftruncate. Each returns 0 or a negative errno, and starts again when a
// signal interrupts it. Offsets and lengths are bytes; beyond what off_t holds they give -EFBIG.
#pragma once

#include <cstdint>

namespace daxkind::syscalls {

// fallocate: gives the range blocks, so that a later store into its mapping cannot find the file system full. Grows
// the file to the range's end unless `keepSize`. -ENOSPC when the file system is full, with the range possibly
// allocated in part; -EOPNOTSUPP on file systems without it (ext2 without extents, NFS before 4.2).
int allocate(int fd, uint64_t offset, uint64_t length, bool keepSize);

// allocate with `keepSize`, which gives back what it took when it fails: what had no blocks has none again, what had
// some keeps them, and no byte changes. Where the file system does not tell its extents (FS_IOC_FIEMAP), as tmpfs,
// which takes all or nothing anyway, it is allocate. The failed call is fallocate.
int allocateOrNothing(int fd, uint64_t offset, uint64_t length);

// fallocate(PUNCH_HOLE|KEEP_SIZE): gives the whole blocks in the range back and zeroes the rest of it. The failed call
// is fallocate.
int punchHole(int fd, uint64_t offset, uint64_t length);

// allocate with `keepSize`, of a file on DAX. While somebody has a page of the file pinned XFS would wait; after 60 ms
// this gives -EBUSY. A write into the range does not wait.
int allocateOnDax(int fd, uint64_t offset, uint64_t length);

// punchHole of a file on DAX: waits as long as somebody has a page of the file pinned, and lets others to its blocks
// in between.
int punchHoleOnDax(int fd, uint64_t offset, uint64_t length);

// ftruncate. The failed call is ftruncate.
int truncate(int fd, uint64_t size);

}  // namespace daxkind::syscalls
