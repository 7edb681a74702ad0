#include "heap/heap.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace daxkind {

namespace {

// 1 KiB loses 512 bytes of a block above kMaxSlabSize on average. The unit map has room for 2^30 units, so that a
// region above 1 TiB has a larger unit.
uint32_t unitShiftFor(uint64_t capacity) {
    uint32_t shift = 10;
    while ((capacity >> shift) >= (1ull << 30)) shift++;
    return shift;
}

int32_t load(const int32_t* word) {
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}

uint64_t entryOffset(const int32_t* entry) {
    return (static_cast<uint64_t>(static_cast<uint32_t>(entry[0])) << kSegmentShift) + static_cast<uint32_t>(entry[1]);
}

void setEntry(int32_t* entry, uint64_t offset) {
    entry[0] = static_cast<int32_t>(offset >> kSegmentShift);
    entry[1] = static_cast<int32_t>(offset & ((1ull << kSegmentShift) - 1));
}

}  // namespace

int Heap::open(Region* region, const HeapOptions& options) {
    capacity_ = region->capacity();
    conservative_ = options.conservative;
    const uint32_t shift = options.unitShift != 0 ? options.unitShift : unitShiftFor(capacity_);
    int error = runs_.open(region, shift, options.conservative);
    if (error != 0) return error;
    uint32_t least = UINT32_MAX;
    for (uint32_t index = 0; index < kSlabClasses; index++) {
        shapes_[index] = slabShape(index, shift);
        least = std::min(least, shapes_[index].units);
        available_[index] = kNone;
        kept_[index] = kNone;
    }
    return slabs_.reserve(runs_.totalUnits() / least + 1);
}

void Heap::attach(ThreadCache* cache) {
    const std::lock_guard<std::mutex> lock(mutex_);
    cache->next = caches_;
    caches_ = cache;
}

void Heap::detach(ThreadCache* cache) {
    const std::lock_guard<std::mutex> lock(mutex_);
    flushAllLocked(cache);
    for (ThreadCache** at = &caches_; *at != nullptr; at = &(*at)->next) {
        if (*at != cache) continue;
        *at = cache->next;
        break;
    }
}

// ---- Slabs ----------------------------------------------------------------------------------------------------------

void Heap::link(uint32_t index) {
    Slab& slab = slabs_[index];
    uint32_t& head = available_[slab.sizeClass];
    slab.previous = kNone;
    slab.next = head;
    slab.listed = true;
    if (head != kNone) slabs_[head].previous = index;
    head = index;
}

void Heap::unlink(uint32_t index) {
    Slab& slab = slabs_[index];
    if (slab.previous == kNone) {
        available_[slab.sizeClass] = slab.next;
    } else {
        slabs_[slab.previous].next = slab.next;
    }
    if (slab.next != kNone) slabs_[slab.next].previous = slab.previous;
    slab.listed = false;
}

int Heap::newSlab(uint32_t sizeClass) {
    const SlabShape shape = shapes_[sizeClass];
    uint32_t start;
    const int error = runs_.allocate(shape.units, 1, &start);
    if (error != 0) return error;
    uint32_t index = unusedSlabs_;
    if (index == kNone) {
        index = slabsMade_++;
    } else {
        unusedSlabs_ = slabs_[index].next;
    }
    Slab& slab = slabs_[index];
    slab.start = start;
    slab.sizeClass = static_cast<uint8_t>(sizeClass);
    slab.freeSlots = static_cast<uint16_t>(shape.slots);
    for (uint32_t word = 0; word * 64 < shape.slots; word++) {
        const uint32_t slots = shape.slots - word * 64;
        slab.freeBits[word] = slots >= 64 ? ~0ull : (1ull << slots) - 1;
    }
    runs_.tagSlab(start, shape.units, index);
    link(index);
    return 0;
}

void Heap::releaseSlab(uint32_t index) {
    Slab& slab = slabs_[index];
    const uint32_t units = shapes_[slab.sizeClass].units;
    if (slab.listed) unlink(index);
    if (kept_[slab.sizeClass] == index) kept_[slab.sizeClass] = kNone;
    runs_.clearTags(slab.start, units);
    runs_.release(slab.start, units);
    slab.next = unusedSlabs_;
    unusedSlabs_ = index;
}

int Heap::freeSlot(uint64_t offset) {
    const uint64_t unit = offset >> runs_.unitShift();
    const uint32_t index = unit < runs_.totalUnits() ? runs_.slabAt(static_cast<uint32_t>(unit)) : kNone;
    if (index == kNone) return -EINVAL;
    Slab& slab = slabs_[index];
    const uint32_t size = classSize(slab.sizeClass);
    const uint64_t inSlab = offset - (static_cast<uint64_t>(slab.start) << runs_.unitShift());
    const uint32_t slot = static_cast<uint32_t>(inSlab / size);
    const uint64_t bit = 1ull << (slot % 64);
    const SlabShape shape = shapes_[slab.sizeClass];
    if (slot >= shape.slots || inSlab % size != 0 || (slab.freeBits[slot / 64] & bit) != 0) return -EINVAL;
    slab.freeBits[slot / 64] |= bit;
    slab.freeSlots++;
    takenBytes_ -= size;
    takenBlocks_--;
    if (!slab.listed) link(index);
    if (slab.freeSlots < shape.slots) return 0;
    if (conservative_ || kept_[slab.sizeClass] != kNone) {
        releaseSlab(index);
    } else {
        kept_[slab.sizeClass] = index;
    }
    return 0;
}

// ---- Thread caches --------------------------------------------------------------------------------------------------

int Heap::refillLocked(ThreadCache* cache, uint32_t sizeClass) {
    int32_t* const magazine = cache->magazine(sizeClass);
    const int32_t want = std::max(1, magazine[kMagazineLimit] / 4);
    const uint64_t size = classSize(sizeClass);
    int32_t count = 0;
    while (count < want) {
        if (available_[sizeClass] == kNone) {
            const int error = newSlab(sizeClass);
            if (error != 0 && count == 0) return error;
            if (error != 0) break;
        }
        const uint32_t index = available_[sizeClass];
        Slab& slab = slabs_[index];
        if (kept_[sizeClass] == index) kept_[sizeClass] = kNone;
        const uint64_t base = static_cast<uint64_t>(slab.start) << runs_.unitShift();
        for (uint32_t word = 0; word * 64 < shapes_[sizeClass].slots && count < want; word++) {
            while (slab.freeBits[word] != 0 && count < want) {
                const uint32_t slot = word * 64 + static_cast<uint32_t>(__builtin_ctzll(slab.freeBits[word]));
                slab.freeBits[word] &= slab.freeBits[word] - 1;
                slab.freeSlots--;
                setEntry(magazine + kMagazineEntries + 2 * count, base + slot * size);
                count++;
            }
        }
        if (slab.freeSlots == 0) unlink(index);
    }
    takenBytes_ += static_cast<uint64_t>(count) * size;
    takenBlocks_ += static_cast<uint64_t>(count);
    magazine[kMagazineTop] = 2 * count;
    return 0;
}

int Heap::refill(ThreadCache* cache, uint32_t code) {
    if (code >= kSlabClasses) return -EINVAL;
    const std::lock_guard<std::mutex> lock(mutex_);
    int error = refillLocked(cache, code);
    if (error == 0) return 0;
    flushAllLocked(cache);
    return refillLocked(cache, code);
}

// Gives the `count` blocks back that have been in the magazine for longest.
int Heap::flushLocked(ThreadCache* cache, uint32_t index, uint32_t count) {
    int32_t* const magazine = cache->magazine(index);
    const bool runs = index >= kRunCode;
    int status = 0;
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t offset = entryOffset(magazine + kMagazineEntries + 2 * i);
        const int error = runs ? freeRunLocked(offset) : freeSlot(offset);
        if (error != 0) status = error;
    }
    const uint32_t left = blocksIn(magazine) - count;
    std::memmove(magazine + kMagazineEntries, magazine + kMagazineEntries + 2 * count, left * 2 * sizeof(int32_t));
    magazine[kMagazineTop] = static_cast<int32_t>(2 * left);
    noteDirty(cache);
    if (runs) {
        const uint32_t units = unitsOf(static_cast<uint32_t>(magazine[kMagazineCode]));
        cache->word(kCachedUnitsWord) -= static_cast<int32_t>(units * count);
    }
    return status;
}

int Heap::flush(ThreadCache* cache, uint32_t code) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const uint32_t index = magazineOf(code);
    int32_t* const magazine = cache->magazine(index);
    const uint32_t count = blocksIn(magazine);
    if (code < kRunCode) return flushLocked(cache, index, (count + 1) / 2);

    int status = flushLocked(cache, index, count);
    const uint32_t units = unitsOf(code);
    const uint32_t most = static_cast<uint32_t>(cache->word(kCachedUnitsLimitWord));
    if (static_cast<uint32_t>(cache->word(kCachedUnitsWord)) + units > most) {
        for (uint32_t other = kRunCode; other < kRunCode + kRunMagazines; other++) {
            const int error = flushLocked(cache, other, blocksIn(cache->magazine(other)));
            if (error != 0) status = error;
        }
    }
    // A length of which the cache can hold less than two is not worth holding.
    magazine[kMagazineCode] = static_cast<int32_t>(code);
    magazine[kMagazineLimit] = static_cast<int32_t>(2 * std::min(most / units / 2, kMostEntries));
    return status;
}

int Heap::flushAllLocked(ThreadCache* cache) {
    int status = 0;
    for (uint32_t index = 0; index < kRunCode + kRunMagazines; index++) {
        const uint32_t count = blocksIn(cache->magazine(index));
        if (count == 0) continue;
        const int error = flushLocked(cache, index, count);
        if (error != 0) status = error;
    }
    for (const uint32_t slab : kept_) {
        if (slab != kNone) releaseSlab(slab);
    }
    return status;
}

// ---- Runs -----------------------------------------------------------------------------------------------------------

int Heap::allocateRun(ThreadCache* cache, uint32_t units, uint64_t alignment, uint64_t* offset) {
    const std::lock_guard<std::mutex> lock(mutex_);
    uint32_t start;
    int error = runs_.allocate(units, alignment, &start);
    if (error != 0) {
        flushAllLocked(cache);
        error = runs_.allocate(units, alignment, &start);
        if (error != 0) return error;
    }
    runs_.tagLarge(start, units);
    takenBytes_ += static_cast<uint64_t>(units) << runs_.unitShift();
    takenBlocks_++;
    *offset = static_cast<uint64_t>(start) << runs_.unitShift();
    return 0;
}

int Heap::freeRunLocked(uint64_t offset) {
    const uint64_t unit = offset >> runs_.unitShift();
    if (unit >= runs_.totalUnits() || offset != unit << runs_.unitShift()) return -EINVAL;
    const uint32_t units = runs_.largeUnits(static_cast<uint32_t>(unit));
    if (!runs_.releaseLarge(static_cast<uint32_t>(unit))) return -EINVAL;
    takenBytes_ -= static_cast<uint64_t>(units) << runs_.unitShift();
    takenBlocks_--;
    return 0;
}

int Heap::freeRun(ThreadCache* cache, uint64_t offset) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const int status = freeRunLocked(offset);
    noteDirty(cache);
    return status;
}

int Heap::resizeRun(ThreadCache* cache, uint64_t offset, uint32_t units) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const uint64_t unit = offset >> runs_.unitShift();
    if (unit >= runs_.totalUnits()) return -EINVAL;
    const uint32_t had = runs_.largeUnits(static_cast<uint32_t>(unit));
    const int error = runs_.resizeLarge(static_cast<uint32_t>(unit), units);
    if (error != 0) return error;
    takenBytes_ += (static_cast<uint64_t>(units) << runs_.unitShift());
    takenBytes_ -= (static_cast<uint64_t>(had) << runs_.unitShift());
    noteDirty(cache);
    return 0;
}

// ---- Storage and statistics -----------------------------------------------------------------------------------------

uint64_t Heap::decay(uint32_t ageMs) {
    const std::lock_guard<std::mutex> lock(mutex_);
    return runs_.decay(ageMs);
}

uint64_t Heap::purge(ThreadCache* cache) {
    const std::lock_guard<std::mutex> lock(mutex_);
    flushAllLocked(cache);
    return runs_.purge();
}

int Heap::commitAll() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return runs_.commitAll();
}

bool Heap::hasDirtyChunks() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return runs_.hasDirtyChunks();
}

HeapStats Heap::stats() {
    const std::lock_guard<std::mutex> lock(mutex_);
    const uint32_t shift = runs_.unitShift();
    uint64_t cachedBytes = 0;
    uint64_t cachedBlocks = 0;
    for (ThreadCache* cache = caches_; cache != nullptr; cache = cache->next) {
        for (uint32_t index = 0; index < kRunCode + kRunMagazines; index++) {
            const int32_t* const magazine = cache->magazine(index);
            const uint64_t count = blocksIn(magazine);
            if (count == 0) continue;
            const uint32_t code = static_cast<uint32_t>(load(magazine + kMagazineCode));
            cachedBlocks += count;
            cachedBytes += count * (code < kRunCode ? classSize(code) : static_cast<uint64_t>(unitsOf(code)) << shift);
        }
    }
    HeapStats stats{};
    stats.capacity = capacity_;
    stats.committed = runs_.committedBytes();
    stats.free = runs_.freeUnits() << shift;
    stats.active = (static_cast<uint64_t>(runs_.totalUnits()) << shift) - stats.free;
    stats.cached = cachedBytes;
    // Another thread's counts are read while it works: never let a moment's inconsistency wrap around.
    stats.allocated = takenBytes_ - std::min(takenBytes_, cachedBytes);
    stats.blocks = takenBlocks_ - std::min(takenBlocks_, cachedBlocks);
    stats.largestFree = static_cast<uint64_t>(runs_.longestFree()) << shift;
    return stats;
}

}  // namespace daxkind
