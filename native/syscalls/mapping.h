// Mappings: mmap, munmap, madvise and msync, and the few combinations of them that a region of memory is made of.
//
// Every function returns 0, or the negative errno of the call that failed, which has the function's own name unless its
// comment says otherwise. None throws, allocates or keeps state; all may be called from any thread. Lengths are bytes.
#pragma once

#include <cstddef>
#include <cstdint>

namespace daxkind::syscalls {

// Bytes per page of this machine.
size_t pageSize();

struct MapOptions {
    // PROT_READ|PROT_WRITE instead of PROT_READ.
    bool writable = true;
    // MAP_SHARED_VALIDATE|MAP_SYNC instead of MAP_SHARED: a written page's block is on the medium before the store is
    // possible. Refused with -EOPNOTSUPP where the file is not on DAX. Never plain MAP_SHARED|MAP_SYNC, which some
    // file systems ignore.
    bool sync = false;
    // MAP_PRIVATE: the file is never written. Excludes `sync`.
    bool copyOnWrite = false;
    // Where mapFileAligned tries first; the kernel chooses if anything is there.
    void* hint = nullptr;
};

// mmap of `length` bytes of `fd` from `offset` (a multiple of the page size), at `hint` if that is free, else where
// the kernel likes. There is no MAP_FIXED: one that fails has already removed what was there.
int mapFile(int fd, uint64_t offset, size_t length, const MapOptions& options, void* hint, void** out);

// Whether MAP_SHARED_VALIDATE|MAP_SYNC is accepted for the file, which is not changed, not even its time of access
// where this process may leave that alone: maps a page for reading, without touching it. 0 if so; -EOPNOTSUPP where
// the file is not on DAX or its device promises nothing, -EINVAL on kernels before 4.15. The failed call is mmap.
int tryMapSync(int fd);

// mapFile at an address that is as far from a multiple of `alignment` (a power of two, at least a page) as `offset`
// is: with 2 MiB, whatever the file has on a huge page can be mapped by one entry. Maps again elsewhere until it is
// so; -EAGAIN if other threads take each place that is found. The failed call is always an mmap.
int mapFileAligned(int fd, uint64_t offset, size_t length, const MapOptions& options, size_t alignment, void** out);

// Private memory of nobody's file (MAP_PRIVATE|MAP_ANONYMOUS|MAP_NORESERVE), at a multiple of `alignment`; at `hint`
// if that is one and free. The failed call is mmap.
int mapAnonymousAligned(size_t length, void* hint, size_t alignment, void** out);

// Puts empty private memory in place of what is mapped at the range, in one step for other threads: reads give zeros,
// the file is let go, and what a stale pointer meets after this cannot fault. Under strict overcommit without memory
// for it, it cannot be written. Where it fails, nothing has changed. The failed call is mmap.
int replaceWithAnonymous(void* address, size_t length);

// Puts a part of a file back where something else is mapped, in one step for other threads. Where it fails, nothing
// has changed, or only memory of nobody's is there. The failed call is mmap.
int mapFileOver(int fd, uint64_t offset, size_t length, const MapOptions& options, void* address);

// munmap.
int unmap(void* address, size_t length);

// madvise. `advice` is one of the kernel's MADV_ constants (syscalls/kernel.h).
int advise(void* address, size_t length, int advice);

// madvise(MADV_DONTFORK): a child process does not inherit the range. The failed call is madvise.
int adviseDontFork(void* address, size_t length);

// Faults the whole range in for writing without changing a byte: madvise(MADV_POPULATE_WRITE), and on kernels
// before 5.14, which lack it, one atomic "or 0" per page. `address` must be page-aligned, and the file must already
// have blocks for the range: the madvise answers -EFAULT where it has not, the loop would raise SIGBUS. The failed
// call is madvise.
int populateWrite(void* address, size_t length);

// msync(MS_SYNC) of the pages that hold the range, started again when a signal interrupts it. The failed call is
// msync.
int syncPages(const void* address, size_t length);

// Whether the file still has the page that the address is on: madvise(MADV_POPULATE_READ), which faults it in. -EFAULT
// where an access would raise SIGBUS because the file has been truncated, -EHWPOISON where the memory is broken. On
// kernels before 5.14, which cannot tell, 0. The failed call is madvise.
int checkPage(const void* address);

}  // namespace daxkind::syscalls
