// Mappings: mmap, munmap, madvise and msync, and the few combinations of them that a region of memory needs.
//
// Every function returns 0, or the negative errno of the call that failed. That call has the function's own name unless
// the comment says otherwise. No function throws, allocates or keeps state. Any thread may call any of them. Lengths
// are bytes.
#pragma once

#include <cstddef>
#include <cstdint>

namespace daxkind::syscalls {

// Bytes per page of this machine.
size_t pageSize();

struct MapOptions {
    // PROT_READ|PROT_WRITE instead of PROT_READ.
    bool writable = true;
    // MAP_SHARED_VALIDATE|MAP_SYNC instead of MAP_SHARED: a page can be written only after its block is on the medium.
    // Refused with -EOPNOTSUPP where the file is not on DAX. It is never plain MAP_SHARED|MAP_SYNC, because some file
    // systems ignore that.
    bool sync = false;
    // MAP_PRIVATE: the file is never written. Excludes `sync`.
    bool copyOnWrite = false;
    // Where mapFileAligned tries first. The kernel chooses another place if anything is there.
    void* hint = nullptr;
};

// mmap of `length` bytes of `fd` from `offset` (a multiple of the page size). Maps at `hint` if that is free, else
// where the kernel likes. There is no MAP_FIXED, because when that fails, what was there may be gone.
int mapFile(int fd, uint64_t offset, size_t length, const MapOptions& options, void* hint, void** out);

// Whether the kernel accepts MAP_SHARED_VALIDATE|MAP_SYNC for the file. It maps a page for reading and does not touch
// it. The file does not change, and its time of access does not either if this process may prevent that. 0 if accepted;
// -EOPNOTSUPP where the file is not on DAX or its device promises nothing, -EINVAL on kernels before 4.15. The failed
// call is mmap.
int tryMapSync(int fd);

// The alignment that lets the kernel map that many bytes by huge pages: 2 MiB, 1 GiB from 2 GiB on, a page below 2 MiB.
// libpmem2 has the same limits.
size_t alignmentFor(uint64_t length);

// mapFile at an address that is as far from a multiple of `alignment` (a power of two, at least a page) as `offset` is.
// With 2 MiB, one entry can map whatever the file has on a huge page. Maps again elsewhere until the address fits.
// -EAGAIN if other threads take each place that it finds. The failed call is always an mmap.
int mapFileAligned(int fd, uint64_t offset, size_t length, const MapOptions& options, size_t alignment, void** out);

// Private memory without a file (MAP_PRIVATE|MAP_ANONYMOUS|MAP_NORESERVE), at a multiple of `alignment`. It is at
// `hint` if that is such a multiple and free. The failed call is mmap.
int mapAnonymousAligned(size_t length, void* hint, size_t alignment, void** out);

// Puts empty private memory in place of what is mapped at the range, in one step for other threads. Reads give zeros,
// the mapping lets go of the file, and an access by a stale pointer cannot fault afterwards. Under strict overcommit,
// if there is not enough memory, the range cannot be written. If the function fails, nothing has changed. The failed
// call is mmap.
int replaceWithAnonymous(void* address, size_t length);

// Puts a part of a file back where something else is mapped, in one step for other threads. If it fails, either nothing
// has changed or memory without a file is there. The failed call is mmap.
int mapFileOver(int fd, uint64_t offset, size_t length, const MapOptions& options, void* address);

// munmap.
int unmap(void* address, size_t length);

// madvise. `advice` is one of the kernel's MADV_ constants (syscalls/kernel.h).
int advise(void* address, size_t length, int advice);

// madvise(MADV_DONTFORK): a child process does not inherit the range. The failed call is madvise.
int adviseDontFork(void* address, size_t length);

// Faults the whole range in for writing and changes no byte: madvise(MADV_POPULATE_WRITE), or one atomic "or 0" for
// each page on kernels before 5.14, which lack it. `address` must be page-aligned, and the file must already have
// blocks for the range. Where it has none, the madvise answers -EFAULT and the loop would raise SIGBUS. The failed call
// is madvise.
int populateWrite(void* address, size_t length);

// msync(MS_SYNC) of the pages that hold the range. It starts again when a signal interrupts it. The failed call is
// msync.
int syncPages(const void* address, size_t length);

// Whether the file still has the page that the address is on: madvise(MADV_POPULATE_READ), which faults the page in.
// -EFAULT where an access would raise SIGBUS because the file was truncated, -EHWPOISON where the memory is broken.
// Always 0 on kernels before 5.14, which cannot tell. The failed call is madvise.
int checkPage(const void* address);

}  // namespace daxkind::syscalls
