// Mappings: see mapping.h.
#include "syscalls/mapping.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "syscalls/kernel.h"
#include "syscalls/sizes.h"

namespace daxkind::syscalls {

namespace {

constexpr int kAnonymousFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

// How often mapFileAligned looks for an aligned place. Each look after the first takes a few microseconds. It fails
// only if another thread maps something into that very place between two system calls.
constexpr int kAlignedAttempts = 64;

// Finds a free range of `length` bytes whose address is as far from a multiple of `alignment` as `offset` is. Another
// thread may take it at any moment.
int findFree(uint64_t offset, size_t length, size_t alignment, void** out) {
    if (length > SIZE_MAX - alignment) return -ENOMEM;
    const size_t total = length + alignment;
    void* const found = mmap(nullptr, total, PROT_NONE, kAnonymousFlags, -1, 0);
    if (found == MAP_FAILED) return -errno;
    const auto start = reinterpret_cast<uintptr_t>(found);
    *out = reinterpret_cast<void*>(start + ((offset - start) & (alignment - 1)));
    return unmap(found, total);
}

// Maps at an address that is as far from a multiple of `alignment` as `offset` is.
template <typename Map>
int mapAligned(uint64_t offset, size_t length, void* hint, size_t alignment, void** out, Map map) {
    // There is no MAP_FIXED over a reservation. Where the file system refuses (ext4 refuses MAP_SYNC without DAX), the
    // kernel has already removed the reservation, and another thread may map something there a moment later. mremap
    // onto a reservation can fail after the removal, too. So the code only asks the kernel for a place, and looks at
    // what it gets.
    for (int attempt = 0; attempt < kAlignedAttempts; attempt += 1) {
        void* mapped = nullptr;
        int result = map(hint, &mapped);
        if (result != 0) return result;
        // Most file systems with DAX choose an aligned place by themselves.
        if (((reinterpret_cast<uintptr_t>(mapped) - offset) & (alignment - 1)) == 0) {
            *out = mapped;
            return 0;
        }
        unmap(mapped, length);
        result = findFree(offset, length, alignment, &hint);
        if (result != 0) return result;
    }
    return -EAGAIN;
}

// Whether the kernel knows the advice. This is the documented way to ask: an empty range gives 0 or EINVAL (madvise(2),
// "EINVAL").
bool knowsPopulateWrite() {
    static const bool known = madvise(nullptr, 0, MADV_POPULATE_WRITE) == 0;
    return known;
}

}  // namespace

size_t pageSize() {
    static const size_t size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    return size;
}

int mapFile(int fd, uint64_t offset, size_t length, const MapOptions& options, void* hint, void** out) {
    const int protection = options.writable ? PROT_READ | PROT_WRITE : PROT_READ;
    const int flags = options.copyOnWrite ? MAP_PRIVATE : options.sync ? MAP_SHARED_VALIDATE | MAP_SYNC : MAP_SHARED;
    void* mapped = mmap(hint, length, protection, flags, fd, static_cast<off_t>(offset));
    if (mapped == MAP_FAILED) return -errno;
    *out = mapped;
    return 0;
}

int tryMapSync(int fd) {
    // mmap counts as an access. Only the owner may ask that it does not count. The kernel refuses that to others.
    if (const int flags = fcntl(fd, F_GETFL); flags >= 0) fcntl(fd, F_SETFL, flags | O_NOATIME);
    MapOptions options;
    options.writable = false;
    options.sync = true;
    void* address = nullptr;
    if (const int result = mapFile(fd, 0, pageSize(), options, nullptr, &address); result != 0) return result;
    return unmap(address, pageSize());
}

size_t alignmentFor(uint64_t length) {
    if (length >= 2 * kGiB) return kGiB;
    return length >= kHugePageSize ? kHugePageSize : pageSize();
}

int mapFileAligned(int fd, uint64_t offset, size_t length, const MapOptions& options, size_t alignment, void** out) {
    return mapAligned(offset, length, options.hint, alignment, out,
                      [&](void* hint, void** mapped) { return mapFile(fd, offset, length, options, hint, mapped); });
}

int mapAnonymousAligned(size_t length, void* hint, size_t alignment, void** out) {
    return mapAligned(0, length, hint, alignment, out, [length](void* at, void** mapped) {
        *mapped = mmap(at, length, PROT_READ | PROT_WRITE, kAnonymousFlags, -1, 0);
        return *mapped == MAP_FAILED ? -errno : 0;
    });
}

int replaceWithAnonymous(void* address, size_t length) {
    // Under strict overcommit the kernel can refuse writable memory. Before 6.12 it did so after it had removed what
    // was at the address. So the memory is mapped somewhere else and then moved, which is one step for other threads.
    void* const zeros = mmap(nullptr, length, PROT_READ | PROT_WRITE, kAnonymousFlags, -1, 0);
    if (zeros != MAP_FAILED) {
        if (mremap(zeros, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, address) != MAP_FAILED) return 0;
        munmap(zeros, length);
    }
    // There is no room for two mappings, in the address space or in their number. Memory that cannot be written is not
    // counted. So the kernel looks at all reasons to refuse it before it removes anything.
    if (mmap(address, length, PROT_READ, kAnonymousFlags | MAP_FIXED, -1, 0) == MAP_FAILED) return -errno;
    mprotect(address, length, PROT_READ | PROT_WRITE);
    return 0;
}

int mapFileOver(int fd, uint64_t offset, size_t length, const MapOptions& options, void* address) {
    void* mapped = nullptr;
    const int result = mapFile(fd, offset, length, options, nullptr, &mapped);
    if (result != 0) return result;
    if (mremap(mapped, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, address) != MAP_FAILED) return 0;
    const int error = -errno;
    munmap(mapped, length);
    return error;
}

int unmap(void* address, size_t length) {
    return munmap(address, length) == 0 ? 0 : -errno;
}

int advise(void* address, size_t length, int advice) {
    return madvise(address, length, advice) == 0 ? 0 : -errno;
}

int adviseDontFork(void* address, size_t length) {
    return advise(address, length, MADV_DONTFORK);
}

int populateWrite(void* address, size_t length) {
    if (knowsPopulateWrite()) {
        int result;
        do result = advise(address, length, MADV_POPULATE_WRITE);
        while (result == -EINTR);
        return result;
    }
    const size_t page = pageSize();
    if (reinterpret_cast<uintptr_t>(address) % page != 0) return -EINVAL;
    auto* bytes = static_cast<unsigned char*>(address);
    for (size_t at = 0; at < length; at += page) __atomic_fetch_or(bytes + at, 0, __ATOMIC_RELAXED);
    return 0;
}

int syncPages(const void* address, size_t length) {
    const uintptr_t page = pageSize();
    const auto begin = reinterpret_cast<uintptr_t>(address);
    const uintptr_t start = begin & ~(page - 1);
    int result;
    do result = msync(reinterpret_cast<void*>(start), begin - start + length, MS_SYNC) == 0 ? 0 : -errno;
    while (result == -EINTR);
    return result;
}

int checkPage(const void* address) {
    const uintptr_t page = pageSize();
    auto* const start = reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(address) & ~(page - 1));
    int result;
    do result = advise(start, page, MADV_POPULATE_READ);
    while (result == -EINTR);
    return result == -EINVAL ? 0 : result;
}

}  // namespace daxkind::syscalls
