// Mappings: see mapping.h.
#include "syscalls/mapping.h"

#include <fcntl.h>
#include <unistd.h>
#include <cerrno>

#include "syscalls/kernel.h"

namespace daxkind::syscalls {

namespace {

constexpr int reservationFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

int mapAnonymousAt(void* address, std::size_t length, int protection) {
    void* mapped = mmap(address, length, protection, reservationFlags | MAP_FIXED, -1, 0);
    return mapped == MAP_FAILED ? -errno : 0;
}

/// The documented way to ask whether the kernel knows an advice: an empty range gives 0 or EINVAL (madvise(2),
/// "EINVAL").
bool knowsPopulateWrite() {
    static const bool known = madvise(nullptr, 0, MADV_POPULATE_WRITE) == 0;
    return known;
}

}  // namespace

std::size_t pageSize() {
    static const std::size_t size = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    return size;
}

int mapFile(int fd, std::uint64_t offset, std::size_t length, const MapOptions& options, void* fixedAddress,
            void** out) {
    const int protection = options.writable ? PROT_READ | PROT_WRITE : PROT_READ;
    int flags = options.copyOnWrite ? MAP_PRIVATE : options.sync ? MAP_SHARED_VALIDATE | MAP_SYNC : MAP_SHARED;
    if (fixedAddress != nullptr) flags |= MAP_FIXED;
    void* mapped = mmap(fixedAddress, length, protection, flags, fd, static_cast<off_t>(offset));
    if (mapped == MAP_FAILED) return -errno;
    *out = mapped;
    return 0;
}

int tryMapSync(int fd) {
    // mmap counts as an access; only the owner may ask that it does not, and then it is for the kernel to refuse.
    if (const int flags = fcntl(fd, F_GETFL); flags >= 0) fcntl(fd, F_SETFL, flags | O_NOATIME);
    MapOptions options;
    options.writable = false;
    options.sync = true;
    void* address = nullptr;
    if (const int result = mapFile(fd, 0, pageSize(), options, nullptr, &address); result != 0) return result;
    return unmap(address, pageSize());
}

int mapFileAligned(int fd, std::uint64_t offset, std::size_t length, const MapOptions& options, std::size_t alignment,
                   void** out) {
    void* reserved = nullptr;
    if (const int result = reserveAligned(length, alignment, &reserved); result != 0) return result;
    const int result = mapFile(fd, offset, length, options, reserved, out);
    // A failed MAP_FIXED may already have removed what was there; munmap of a range without mappings is no error.
    if (result != 0) unmap(reserved, length);
    return result;
}

int reserveAligned(std::size_t length, std::size_t alignment, void** out) {
    const std::size_t page = pageSize();
    if (length == 0 || alignment < page || (alignment & (alignment - 1)) != 0) return -EINVAL;
    if (length > SIZE_MAX - alignment - page) return -ENOMEM;
    const std::size_t rounded = (length + page - 1) & ~(page - 1);
    const std::size_t total = rounded + alignment - page;
    void* mapped = mmap(nullptr, total, PROT_NONE, reservationFlags, -1, 0);
    if (mapped == MAP_FAILED) return -errno;
    const auto start = reinterpret_cast<std::uintptr_t>(mapped);
    const std::uintptr_t aligned = (start + alignment - 1) & ~(static_cast<std::uintptr_t>(alignment) - 1);
    const std::size_t before = aligned - start;
    const std::size_t after = total - before - rounded;
    if (before != 0) munmap(mapped, before);
    if (after != 0) munmap(reinterpret_cast<void*>(aligned + rounded), after);
    *out = reinterpret_cast<void*>(aligned);
    return 0;
}

int replaceWithAnonymous(void* address, std::size_t length) {
    return mapAnonymousAt(address, length, PROT_READ | PROT_WRITE);
}

int replaceWithReservation(void* address, std::size_t length) {
    return mapAnonymousAt(address, length, PROT_NONE);
}

int unmap(void* address, std::size_t length) {
    return munmap(address, length) == 0 ? 0 : -errno;
}

int advise(void* address, std::size_t length, int advice) {
    return madvise(address, length, advice) == 0 ? 0 : -errno;
}

int adviseDontFork(void* address, std::size_t length) {
    return advise(address, length, MADV_DONTFORK);
}

int populateWrite(void* address, std::size_t length) {
    if (knowsPopulateWrite()) {
        int result;
        do result = advise(address, length, MADV_POPULATE_WRITE);
        while (result == -EINTR);
        return result;
    }
    const std::size_t page = pageSize();
    if (reinterpret_cast<std::uintptr_t>(address) % page != 0) return -EINVAL;
    auto* bytes = static_cast<unsigned char*>(address);
    for (std::size_t at = 0; at < length; at += page) __atomic_fetch_or(bytes + at, 0, __ATOMIC_RELAXED);
    return 0;
}

int syncPages(const void* address, std::size_t length) {
    const std::uintptr_t page = pageSize();
    const auto begin = reinterpret_cast<std::uintptr_t>(address);
    const std::uintptr_t start = begin & ~(page - 1);
    int result;
    do result = msync(reinterpret_cast<void*>(start), begin - start + length, MS_SYNC) == 0 ? 0 : -errno;
    while (result == -EINTR);
    return result;
}

}  // namespace daxkind::syscalls
