// The heap's side of the thread caches: who has one, how much it may hold, how it is filled and emptied, and what
// happens when memory runs out.
#include <algorithm>
#include <cerrno>
#include <chrono>

#include "heap/clock.h"
#include "heap/heap.h"

namespace daxkind {

namespace {

// A thread that takes blocks of a class for the first time takes no more bytes than this, but at least one block. A
// block that it does not need is a hole in a slab that other threads may not use.
constexpr uint32_t kFirstRefill = 32 * 1024;

// The most runs that go to a cache in addition to the one that was asked for.
constexpr int32_t kFurtherRuns = 8;

// Up to this many threads may each cache as much as a single thread may. More threads share what these may hold.
constexpr uint32_t kWholeShares = 2;

// How long a thread that has no memory waits for other threads to give back what their caches hold. A thread that runs
// its event loop answers in less than a millisecond. A thread that is busy for longer is not waited for a second time.
constexpr std::chrono::milliseconds kPatience{20};

bool isEmpty(ThreadCache* cache) {
    for (uint32_t index = 0; index < kMagazines; index++) {
        if (cache->blocks(index) > 0) return false;
    }
    return true;
}

}  // namespace

int Heap::attach(ThreadCache* cache) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (isClosed_) return -ENOENT;
    const uint32_t owner = owners_.add();
    if (owner == kNobody) return -ENOMEM;
    // The first cache needs no table, because all runs belong to it.
    const int error = owner == kFirstOwner ? 0 : places_.openOwners();
    if (error != 0) {
        owners_.remove(owner);
        return error;
    }
    cache->owner = owner;
    slabs_.addOwner(owner);
    cache->next = caches_;
    caches_ = cache;
    for (uint32_t index = 0; index < kMagazines; index++) cache->bar(index, doomedIn_[index] > 0);
    // While other caches do not ask for what has failed before, they must notice each block that is freed. So this
    // cache may not hold any.
    cache->isBypassed = failing_;
    return 0;
}

void Heap::detach(ThreadCache* cache) {
    const std::lock_guard<std::mutex> lock(mutex_);
    drainAllLocked(cache);
    startDecay();
    for (ThreadCache** at = &caches_; *at != nullptr; at = &(*at)->next) {
        if (*at != cache) continue;
        *at = cache->next;
        break;
    }
    rest(cache);
    reclaimServed_.notify_all();
}

bool Heap::leave(ThreadCache* cache) {
    const std::lock_guard<std::mutex> lock(mutex_);
    cache->isLeaving = true;
    return !isHeldLocked();
}

bool Heap::isHeld() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return isHeldLocked();
}

bool Heap::isHeldLocked() const {
    for (const ThreadCache* cache = caches_; cache != nullptr; cache = cache->next) {
        if (!cache->isLeaving) return true;
    }
    return false;
}

void Heap::setWake(ThreadCache* cache, void (*wake)(void*), void* data) {
    const std::lock_guard<std::mutex> lock(mutex_);
    cache->wake = wake;
    cache->wakeData = data;
}

void Heap::watch(ThreadCache* cache, uint64_t bytes) {
    const std::lock_guard<std::mutex> lock(mutex_);
    cache->pressureBytes = bytes;
    cache->isPressed = false;
}

void Heap::adjust(ThreadCache* cache, uint32_t code) {
    if (cache->isReclaimRequested) {
        cache->isReclaimRequested = false;
        drainAllLocked(cache);
        reclaimServed_.notify_all();
    }
    if (cache->isPressed && takenBytes_ < cache->pressureBytes / 16 * 15) cache->isPressed = false;
    if (cache->isBypassed) {
        // The caches may hold blocks again when enough is free, in units or in slots of this class.
        const bool hasUnits = runs_.freeUnits() > runs_.totalUnits() / 64;
        const ClassStats* const stats = code < kSlabClasses ? &slabs_.stats(code) : nullptr;
        const bool hasSlots =
            stats != nullptr && (stats->slots - stats->taken) * uint64_t{classSize(code)} > capacity_ / 64;
        if (!hasUnits && !hasSlots) return;
        cache->isBypassed = false;
        cache->limitsFor = 0;
        noteFreed();
    }
    if (!cache->isAwake) {
        cache->isAwake = true;
        awakeCount_++;
        cache->awakeSince = coarseMs();
        cache->limitsFor = 0;
    }
    if (cache->limitsFor == awakeCount_) return;
    cache->limitsFor = awakeCount_;
    cache->setLimits(capacity_ * kWholeShares / std::max(awakeCount_, kWholeShares), runs_.unitShift());
}

void Heap::rest(ThreadCache* cache) {
    if (cache->isAwake) awakeCount_--;
    cache->isAwake = false;
}

void Heap::bypassCaches(ThreadCache* cache, uint32_t code) {
    if (cache->helpsItself) return;
    // From now on every thread frees blocks to the heap itself, so that the heap notices each of them.
    for (ThreadCache* each = caches_; each != nullptr; each = each->next) {
        if (!each->isBypassed) each->setLimits(0, runs_.unitShift());
        each->isBypassed = true;
    }
    cache->fail(code);
    failing_ = true;
}

void Heap::noteFreed() {
    if (!failing_) return;
    failing_ = false;
    for (ThreadCache* cache = caches_; cache != nullptr; cache = cache->next) cache->forgetFailures();
}

void Heap::noteTaken(ThreadCache* cache, uint64_t bytes) {
    takenBytes_ += bytes;
    highWater_ = std::max(highWater_, takenBytes_);
    if (takenBytes_ < cache->pressureBytes || cache->isPressed) return;
    cache->isPressed = true;
    cache->word(kPressureWord) = 1;
}

int Heap::refillLocked(HeapLock& lock, ThreadCache* cache, uint32_t sizeClass) {
    ThreadCache::Word* const magazine = cache->magazine(sizeClass);
    const uint32_t half = static_cast<uint32_t>(magazine[kMagazineLimit]) / 4;
    const uint32_t most = cache->noteMiss(sizeClass) ? kMostEntries : kFirstRefill / classSize(sizeClass);
    const uint32_t want = std::max(1u, std::min(half, most));
    uint64_t offsets[kMostEntries];
    uint32_t count;
    const int error = slabs_.take(lock, cache->owner, sizeClass, want, offsets, &count);
    if (error != 0) return error;
    // The last entry is popped first: in one slab, the block at the highest address.
    for (uint32_t i = 0; i < count; i++) ThreadCache::setEntry(cache->entry(sizeClass, i), offsets[i]);
    noteTaken(cache, uint64_t{count} * classSize(sizeClass));
    magazine[kMagazineTop] = static_cast<int32_t>(2 * count);
    return 0;
}

int Heap::refill(ThreadCache* cache, uint32_t code) {
    if (code >= kSlabClasses) return -EINVAL;
    HeapLock lock(mutex_);
    adjust(cache, code);
    cache->use(code);
    int error = refillLocked(lock, cache, code);
    if (error != 0 && reclaim(lock, cache, error)) error = refillLocked(lock, cache, code);
    if (error == -EBUSY) return -ENOMEM;
    if (error == -ENOMEM) bypassCaches(cache, code);
    startDecay();
    return error;
}

bool Heap::offsetOfEntry(const ThreadCache::Word* entry, uint64_t* offset) const {
    const int32_t segment = entry[0];
    const uint32_t rest = static_cast<uint32_t>(entry[1]);
    if (segment == kByNumber) return slabs_.findNumber(rest, offset);
    *offset = (uint64_t{static_cast<uint32_t>(segment)} << kSegmentShift) + rest;
    return true;
}

int Heap::freeEntry(const ThreadCache::Word* entry) {
    uint64_t offset;
    return offsetOfEntry(entry, &offset) ? freeLocked(offset) : -EINVAL;
}

// Gives back the `count` blocks that have been in the magazine for longest.
int Heap::drainLocked(ThreadCache* cache, uint32_t index, uint32_t count) {
    ThreadCache::Word* const magazine = cache->magazine(index);
    int status = 0;
    for (uint32_t i = 0; i < count; i++) {
        const int error = freeEntry(cache->entry(index, i));
        if (error != 0) status = error;
    }
    const uint32_t left = cache->blocks(index) - count;
    std::copy(cache->entry(index, count), cache->entry(index, count + left), cache->entry(index, 0));
    magazine[kMagazineTop] = static_cast<int32_t>(2 * left);
    if (index >= kRunCode) {
        cache->word(kCachedUnitsWord) -= static_cast<int32_t>(cache->unitsIn(index) * count);
    }
    return status;
}

int Heap::drainRunsLocked(ThreadCache* cache) {
    int status = 0;
    for (uint32_t index = kRunCode; index < kMagazines; index++) {
        const uint32_t count = cache->blocks(index);
        const int error = count == 0 ? 0 : drainLocked(cache, index, count);
        if (error != 0) status = error;
    }
    return status;
}

int Heap::drainAllLocked(ThreadCache* cache) {
    int status = drainRunsLocked(cache);
    for (uint32_t index = 0; index < kSlabClasses; index++) {
        const uint32_t count = cache->blocks(index);
        const int error = count == 0 ? 0 : drainLocked(cache, index, count);
        if (error != 0) status = error;
    }
    slabs_.releaseEmpty();
    cache->forgetMisses();
    return status;
}

void Heap::cacheRuns(ThreadCache* cache, uint32_t units) {
    const uint32_t code = codeOfRun(units);
    const uint32_t index = magazineOf(code);
    // At the first miss nothing is cached: the memory behind the run stays free, so that the run can grow into it.
    if (!hasCode(units) || !cache->noteMiss(index)) return;
    cache->use(index);
    ThreadCache::Word* const magazine = cache->magazine(index);
    // Only a magazine without a length yet is assigned here. JavaScript has notes of a magazine with another length.
    if (cache->unitsIn(index) == 0) assign(cache, code);
    if (cache->unitsIn(index) != units || cache->blocks(index) > 0) return;
    const int32_t room = cache->word(kCachedUnitsLimitWord) - cache->word(kCachedUnitsWord);
    const int32_t want = std::min({magazine[kMagazineLimit] / 4, room / static_cast<int32_t>(units), kFurtherRuns});
    int32_t count = 0;
    for (uint32_t start; count < want && runs_.takeIfCommitted(units, &start); count++) {
        ThreadCache::setEntry(cache->entry(index, static_cast<uint32_t>(count)), noteTakenRun(cache, start, units));
    }
    magazine[kMagazineTop] = 2 * count;
    cache->word(kCachedUnitsWord) += count * static_cast<int32_t>(units);
}

int Heap::drainRunsFor(ThreadCache* cache, uint32_t units) {
    const uint32_t most = static_cast<uint32_t>(cache->word(kCachedUnitsLimitWord));
    int status = 0;
    while (static_cast<uint32_t>(cache->word(kCachedUnitsWord)) + units > most) {
        uint32_t fullest = kRunCode;
        for (uint32_t index = kRunCode + 1; index < kMagazines; index++) {
            if (cache->cachedUnits(index) > cache->cachedUnits(fullest)) fullest = index;
        }
        const uint32_t blocks = cache->blocks(fullest);
        if (blocks == 0) break;
        const int error = drainLocked(cache, fullest, (blocks + 1) / 2);
        if (error != 0) status = error;
    }
    return status;
}

void Heap::assign(ThreadCache* cache, uint32_t code) {
    ThreadCache::Word* const magazine = cache->magazine(magazineOf(code));
    // The cache holds no runs of a length if it has no room for two of them.
    const uint32_t most = static_cast<uint32_t>(cache->word(kCachedUnitsLimitWord)) / unitsOf(code) / 2;
    magazine[kMagazineCode] = static_cast<int32_t>(code);
    const bool isBarred = cache->isBarred(magazineOf(code));
    magazine[kMagazineLimit] = isBarred ? 0 : static_cast<int32_t>(2 * std::min(most, kMostEntries));
}

// Makes room in a magazine of runs. Runs of another length go back, and the magazine is for this length from now on.
int Heap::drainForRuns(ThreadCache* cache, uint32_t code) {
    const uint32_t index = magazineOf(code);
    const ThreadCache::Word* const magazine = cache->magazine(index);
    const uint32_t blocks = cache->blocks(index);
    uint32_t count = 0;
    if (magazine[kMagazineCode] != static_cast<int32_t>(code))
        count = blocks;
    else if (magazine[kMagazineTop] + 2 > magazine[kMagazineLimit])
        count = (blocks + 1) / 2;
    const int status = drainLocked(cache, index, count);
    const int error = drainRunsFor(cache, unitsOf(code));
    assign(cache, code);
    return error != 0 ? error : status;
}

int Heap::drain(ThreadCache* cache, uint32_t code) {
    if (code >= kSlabClasses && unitsOf(code) == 0) return -EINVAL;
    HeapLock lock(mutex_);
    adjust(cache, code);
    cache->use(magazineOf(code));
    const int status =
        code < kRunCode ? drainLocked(cache, code, (cache->blocks(code) + 1) / 2) : drainForRuns(cache, code);
    settle(lock);
    return status;
}

bool Heap::reclaim(HeapLock& lock, ThreadCache* cache, int error) {
    const uint64_t taken = takenBytes_;
    const uint64_t free = runs_.freeUnits();
    drainAllLocked(cache);
    const bool hasGiven = takenBytes_ != taken || runs_.freeUnits() != free;
    if (cache->helpsItself) return hasGiven;
    // If nothing has been freed since the last failure, the other threads were asked then.
    if (runs_.knewFailure() || (error != -ENOMEM && !isOutOfRoom(error))) return hasGiven;
    bool isAsking = false;
    for (ThreadCache* other = caches_; other != nullptr; other = other->next) {
        // A thread that has not answered yet is busy. It will answer later, and is not waited for a second time.
        if (other == cache || other->isReclaimRequested || other->wake == nullptr || isEmpty(other)) continue;
        other->isReclaimRequested = true;
        other->wake(other->wakeData);
        isAsking = true;
    }
    if (!isAsking) return hasGiven;
    reclaimServed_.wait_for(lock, kPatience, [this, cache] {
        for (ThreadCache* other = caches_; other != nullptr; other = other->next) {
            if (other != cache && other->isReclaimRequested) return false;
        }
        return true;
    });
    return true;
}

void Heap::serveReclaim(ThreadCache* cache) {
    const std::lock_guard<std::mutex> lock(mutex_);
    adjust(cache, kRunCode);
    if (cache->isToRest) {
        cache->isToRest = false;
        rest(cache);
        runs_.setIdle(restMs_);
        drainAllLocked(cache);
        runs_.setIdle(0);
        // The next block that the thread frees or asks for comes to the heap. That wakes the cache.
        cache->setLimits(0, runs_.unitShift());
    }
    startDecay();
}

}  // namespace daxkind
