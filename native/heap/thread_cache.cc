#include "heap/thread_cache.h"

#include <algorithm>

#include "heap/run_allocator.h"
#include "syscalls/sizes.h"

namespace daxkind {

int ThreadCache::open() {
    const int error = words_.reserve(kCacheWords);
    if (error != 0) return error;
    word(kFailedUnitsWord) = INT32_MAX;
    return 0;
}

void ThreadCache::setLimits(uint64_t share, uint32_t unitShift) {
    share_ = share;
    for (uint32_t index = 0; index < kMagazines; index++) {
        if (isUsed_[index]) magazine(index)[kMagazineLimit] = limitOf(index);
    }
    // Runs of all lengths together may take 1/32 of the share, at most 64 MiB.
    const uint64_t runBytes = std::min<uint64_t>(share / 32, 64 * kMiB);
    word(kCachedUnitsLimitWord) = static_cast<int32_t>(runBytes >> unitShift);
}

void ThreadCache::bar(uint32_t index, bool isBarred) {
    isBarred_[index] = isBarred;
    if (isUsed_[index]) magazine(index)[kMagazineLimit] = limitOf(index);
}

int32_t ThreadCache::limitOf(uint32_t index) const {
    // Magazines of runs get their limits when they are next used.
    if (index >= kSlabClasses || isBarred_[index]) return 0;
    // Each class may take 1/4096 of the share (all classes together 1.4 %). A class whose blocks are longer than that
    // gets one block, as long as that is at most 1/1024 of the share.
    uint64_t blocks = std::min<uint64_t>(share_ / 4096 / classSize(index), kMostEntries);
    if (blocks == 0 && classSize(index) <= share_ / 1024) blocks = 1;
    return static_cast<int32_t>(2 * blocks);
}

void ThreadCache::use(uint32_t index) {
    if (isUsed_[index]) return;
    isUsed_[index] = true;
    magazine(index)[kMagazineCode] = static_cast<int32_t>(index);
    magazine(index)[kMagazineLimit] = limitOf(index);
}

uint32_t ThreadCache::blocks(uint32_t index) const {
    if (!isUsed_[index]) return 0;
    const int32_t top = words_[(size_t{index} << kMagazineShift) + kMagazineTop];
    return std::min(static_cast<uint32_t>(top) / 2, kMostEntries);
}

uint32_t ThreadCache::cachedUnits(uint32_t index) const {
    const uint32_t count = blocks(index);
    return count == 0 ? 0 : count * unitsIn(index);
}

bool ThreadCache::noteMiss(uint32_t index) {
    const bool wasMissed = isMissed_[index];
    isMissed_[index] = true;
    return wasMissed;
}

void ThreadCache::fail(uint32_t code) {
    if (code < kRunCode) {
        word(kFailedClassesWord + code / 32) |= static_cast<int32_t>(1u << (code % 32));
    } else {
        word(kFailedUnitsWord) = std::min<int32_t>(word(kFailedUnitsWord), static_cast<int32_t>(unitsOf(code)));
    }
}

void ThreadCache::forgetFailures() {
    word(kFailedClassesWord) = 0;
    word(kFailedClassesWord + 1) = 0;
    word(kFailedUnitsWord) = INT32_MAX;
}

bool ThreadCache::pop(uint32_t code, uint64_t* offset) {
    Word* const at = magazine(magazineOf(code));
    const int32_t top = at[kMagazineTop];
    if (top <= 0 || at[kMagazineCode] != static_cast<int32_t>(code)) return false;
    *offset = uint64_t{static_cast<uint32_t>(at[top])} << kSegmentShift | static_cast<uint32_t>(at[top + 1]);
    at[kMagazineTop] = top - 2;
    if (code > kRunCode) word(kCachedUnitsWord) -= static_cast<int32_t>(unitsOf(code));
    return true;
}

bool ThreadCache::push(uint32_t code, uint64_t offset) {
    Word* const at = magazine(magazineOf(code));
    const int32_t top = at[kMagazineTop] + 2;
    if (top > at[kMagazineLimit] || at[kMagazineCode] != static_cast<int32_t>(code)) return false;
    if (code > kRunCode) {
        const int32_t cached = word(kCachedUnitsWord) + static_cast<int32_t>(unitsOf(code));
        if (cached > word(kCachedUnitsLimitWord)) return false;
        word(kCachedUnitsWord) = cached;
    }
    setEntry(at + top, offset);
    at[kMagazineTop] = top;
    return true;
}

void ThreadCache::setEntry(Word* entry, uint64_t offset) {
    entry[0] = static_cast<int32_t>(offset >> kSegmentShift);
    entry[1] = static_cast<int32_t>(offset & ((1ull << kSegmentShift) - 1));
}

}  // namespace daxkind
