#include "heap/thread_cache.h"

#include <algorithm>

namespace daxkind {

int ThreadCache::open(uint64_t capacity, uint32_t unitShift) {
    const int error = words_.reserve(kCacheWords);
    if (error != 0) return error;
    // At most 1/4096 of the kind in each class (all classes together: 1.4 %), and never more than 64 KiB of one.
    const uint64_t classBytes = std::min<uint64_t>(capacity / 4096, 64 * 1024);
    for (uint32_t index = 0; index < kSlabClasses; index++) {
        int32_t* const head = magazine(index);
        const uint64_t blocks = std::clamp<uint64_t>(classBytes / classSize(index), 1, kMostEntries);
        head[kMagazineLimit] = static_cast<int32_t>(2 * blocks);
        head[kMagazineCode] = static_cast<int32_t>(index);
    }
    // Runs of all lengths together: 1/32 of the kind, at most 64 MiB.
    const uint64_t runBytes = std::min<uint64_t>(capacity / 32, 64 * 1024 * 1024);
    word(kCachedUnitsLimitWord) = static_cast<int32_t>(runBytes >> unitShift);
    return 0;
}

}  // namespace daxkind
