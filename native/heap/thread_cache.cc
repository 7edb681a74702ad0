#include "heap/thread_cache.h"

#include <algorithm>

namespace daxkind {

namespace {

void store(int32_t& word, int32_t value) {
    __atomic_store_n(&word, value, __ATOMIC_RELAXED);
}

}  // namespace

int ThreadCache::open() {
    const int error = words_.reserve(kCacheWords);
    if (error != 0) return error;
    for (uint32_t index = 0; index < kSlabClasses; index++) {
        magazine(index)[kMagazineCode] = static_cast<int32_t>(index);
    }
    word(kFailedUnitsWord) = INT32_MAX;
    return 0;
}

void ThreadCache::tune(uint64_t share, uint32_t unitShift) {
    // At most 1/4096 of the share in each class (all classes together: 1.4 %), and never more than 64 KiB of one. A
    // class whose blocks are longer than that gets one, while that is at most 1/1024.
    const uint64_t classBytes = std::min<uint64_t>(share / 4096, 64 * 1024);
    for (uint32_t index = 0; index < kSlabClasses; index++) {
        uint64_t blocks = std::min<uint64_t>(classBytes / classSize(index), kMostEntries);
        if (blocks == 0 && classSize(index) <= share / 1024) blocks = 1;
        store(magazine(index)[kMagazineLimit], static_cast<int32_t>(2 * blocks));
    }
    // Runs of all lengths together: 1/32 of the share, at most 64 MiB. Their magazines get their limits when they are
    // next used.
    const uint64_t runBytes = std::min<uint64_t>(share / 32, 64 * 1024 * 1024);
    store(word(kCachedUnitsLimitWord), static_cast<int32_t>(runBytes >> unitShift));
    for (uint32_t index = kRunCode; index < kRunCode + kRunMagazines; index++) {
        store(magazine(index)[kMagazineLimit], 0);
    }
}

void ThreadCache::fail(uint32_t code) {
    if (code < kRunCode) {
        int32_t& mask = word(kFailedClassesWord + code / 32);
        store(mask, static_cast<int32_t>(static_cast<uint32_t>(mask) | 1u << (code % 32)));
    } else {
        store(word(kFailedUnitsWord), std::min(word(kFailedUnitsWord), static_cast<int32_t>(unitsOf(code))));
    }
}

void ThreadCache::forgetFailures() {
    store(word(kFailedClassesWord), 0);
    store(word(kFailedClassesWord + 1), 0);
    store(word(kFailedUnitsWord), INT32_MAX);
}

}  // namespace daxkind
