// See placement.h.
#include "region/placement.h"

#include <mutex>

#include "syscalls/mapping.h"
#include "syscalls/sizes.h"

namespace daxkind {

namespace {

struct Places {
    std::mutex mutex;
    // Where the first region lies, and where the newest ends.
    uintptr_t start = aboveTheMiddle();
    uintptr_t end = start;

    // Slightly above the middle of the address space. Below the middle are V8's own pages, each at a random address.
    // The stack's address is random as well.
    static uintptr_t aboveTheMiddle() {
        const char onStack = 0;
        return reinterpret_cast<uintptr_t>(&onStack) / 64 * 33 & ~(uintptr_t{kHugePageSize} - 1);
    }
};

Places& places() {
    static Places* const only = new Places();
    return *only;
}

uintptr_t endOf(void* at, uint64_t length) {
    return reinterpret_cast<uintptr_t>(at) + length;
}

}  // namespace

void* nextPlace() {
    Places& all = places();
    const std::lock_guard<std::mutex> lock(all.mutex);
    return reinterpret_cast<void*>(all.end);
}

void tookPlace(void* at, uint64_t length) {
    Places& all = places();
    const std::lock_guard<std::mutex> lock(all.mutex);
    const bool isThere = reinterpret_cast<uintptr_t>(at) == all.end;
    // If the region is elsewhere, something is in the way, or there is no room above. The first addresses may be free
    // again.
    all.end = isThere ? endOf(at, length) : all.start;
}

void leftPlace(void* at, uint64_t length, void* keptUntil) {
    Places& all = places();
    const std::lock_guard<std::mutex> lock(all.mutex);
    if (endOf(at, length) == all.end) all.end = reinterpret_cast<uintptr_t>(keptUntil);
}

}  // namespace daxkind
