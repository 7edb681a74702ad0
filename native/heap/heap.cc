#include "heap/heap.h"

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "heap/clock.h"

namespace daxkind {

namespace {

// How long a free in a conservative heap, or a call for its statistics, waits until all storage has gone back. Usually
// it has gone back by then.
constexpr std::chrono::milliseconds kSettling{15};
// After this many waits in a row in which nothing has gone back, free() does not wait any more until the background has
// caught up, because a device may have a page pinned for ever. A single wait proves nothing: on a busy machine the
// background thread may have to wait for a processor.
constexpr uint32_t kWaitsInVain = 8;
// How often a commit in the background is tried where other threads have a claim to the memory: for about a second.
constexpr int kCommitTries = 200;

// The unit map has room for 2^30 units, so a region of more than 1 TiB has larger units.
uint32_t unitShiftFor(uint64_t capacity) {
    uint32_t shift = kLeastUnitShift;
    while ((capacity >> shift) >= (1ull << 30)) shift++;
    return shift;
}

// The code of a row of ClassUses: class after class, then the code for all runs.
uint32_t codeOfRow(uint32_t row) {
    return row < kSlabClasses ? row : kRunCode;
}

// How many of at most `most` elements a window shows: those in use, and room to grow. Unless more are in use, it is no
// longer than an ArrayBuffer may be in every version of Node.
uint64_t withRoom(uint64_t used, uint64_t most) {
    constexpr uint64_t kMostBytes = 1ull << 32;
    constexpr uint64_t kMostCount = kMostBytes / sizeof(uint32_t);
    uint64_t count = 65536;
    while (count < 2 * used) count *= 2;
    if (count > kMostCount) count = std::max(kMostCount, count / 2);
    return std::min(count, most);
}

template <typename T>
RawTables::Table window(syscalls::LazyArray<T>& table, uint64_t count) {
    if (!table.isOpen()) return {nullptr, 0};
    return {table.data(), count * sizeof(T)};
}

}  // namespace

int Heap::open(Region* region, const HeapOptions& options) {
    region_ = region;
    capacity_ = region->capacity();
    const uint32_t shift = options.unitShift != 0 ? options.unitShift : unitShiftFor(capacity_);
    isConservative_ = options.conservative;
    decayMs_ = options.conservative ? 0 : options.decayMs;
    // A conservative heap asks its caches as often as a heap with the default does.
    const uint32_t decayMs = options.decayMs != 0 ? options.decayMs : HeapOptions{}.decayMs;
    restMs_ = std::max(decayMs / 2, 1u);
    const int error = runs_.open(region, shift);
    return error != 0 ? error : slabs_.open(&runs_, &places_, !options.conservative);
}

// ---- Blocks ---------------------------------------------------------------------------------------------------------

int Heap::allocateRun(ThreadCache* cache, uint32_t units, uint64_t alignment, uint64_t* offset) {
    HeapLock lock(mutex_);
    adjust(cache, kRunCode);
    // If callers hold no block of the kind, cached blocks shall not stand in the way of long ones.
    if (units > runs_.totalUnits() / 64 && takenBytes_ < capacity_ / 16 && isUnused()) drainAllLocked(cache);
    uint32_t start;
    int error = runs_.allocate(lock, units, alignment, &start);
    if (error != 0 && reclaim(lock, cache, error)) error = runs_.allocate(lock, units, alignment, &start);
    if (error == -EBUSY) return -ENOMEM;
    if (error != 0) {
        const bool isCode = hasCode(units) && alignment <= 1ull << runs_.unitShift();
        if (error == -ENOMEM && isCode) bypassCaches(cache, codeOfRun(units));
        return error;
    }
    *offset = noteTakenRun(cache, start, units);
    if (alignment <= kSizeQuantum) cacheRuns(cache, units);
    return 0;
}

uint64_t Heap::noteTakenRun(ThreadCache* cache, uint32_t start, uint32_t units) {
    runs_.tagLarge(start, units);
    if (places_.owners.isOpen()) places_.owners[numberOfUnit(start)] = static_cast<uint16_t>(cache->owner);
    const uint64_t bytes = static_cast<uint64_t>(units) << runs_.unitShift();
    takenRuns_++;
    takenRunBytes_ += bytes;
    noteTaken(cache, bytes);
    return static_cast<uint64_t>(start) << runs_.unitShift();
}

bool Heap::isUnused() {
    for (uint32_t row = 0; row <= kSlabClasses; row++) {
        if (classUseLocked(codeOfRow(row)).blocks > 0) return false;
    }
    return true;
}

int Heap::freeLocked(uint64_t offset) {
    uint32_t sizeClass;
    if (slabs_.free(offset, &sizeClass) == 0) {
        undoom(offset);
        takenBytes_ -= classSize(sizeClass);
        noteFreed();
        return 0;
    }
    const uint64_t unit = offset >> runs_.unitShift();
    if (unit >= runs_.totalUnits() || offset != unit << runs_.unitShift()) return -EINVAL;
    const uint64_t bytes = uint64_t{runs_.largeUnits(static_cast<uint32_t>(unit))} << runs_.unitShift();
    if (!runs_.releaseLarge(static_cast<uint32_t>(unit))) return -EINVAL;
    undoom(offset);
    takenBytes_ -= bytes;
    takenRunBytes_ -= bytes;
    takenRuns_--;
    noteFreed();
    return 0;
}

int Heap::free(ThreadCache* cache, uint64_t offset) {
    HeapLock lock(mutex_);
    const int status = freeLocked(offset);
    adjust(cache, kRunCode);
    settle(lock);
    return status;
}

int Heap::resizeRun(ThreadCache* cache, uint64_t offset, uint32_t units) {
    HeapLock lock(mutex_);
    const uint64_t unit = offset >> runs_.unitShift();
    if (unit >= runs_.totalUnits()) return -EINVAL;
    const uint32_t had = runs_.largeUnits(static_cast<uint32_t>(unit));
    const int error = runs_.resizeLarge(lock, static_cast<uint32_t>(unit), units);
    if (error != 0) return error == -EBUSY ? -ENOMEM : error;
    if (doomed_.count(offset) != 0) {
        undoom(offset);
        if (runs_.isLost(static_cast<uint32_t>(unit), units))
            doom(offset, hasCode(units) ? codeOfRun(units) : kRunCode);
    }
    if (units > had) {
        const uint64_t more = static_cast<uint64_t>(units - had) << runs_.unitShift();
        takenRunBytes_ += more;
        noteTaken(cache, more);
    } else {
        const uint64_t less = static_cast<uint64_t>(had - units) << runs_.unitShift();
        takenRunBytes_ -= less;
        takenBytes_ -= less;
        noteFreed();
    }
    settle(lock);
    return 0;
}

int Heap::takeFuller(ThreadCache* cache, uint64_t offset, uint64_t* better) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const uint32_t sizeClass = slabs_.classAt(offset);
    if (sizeClass == SlabAllocator::kNone) return -ENOENT;
    const int error = slabs_.takeFuller(cache->owner, offset, better);
    if (error == 0) noteTaken(cache, classSize(sizeClass));
    return error;
}

// ---- References -----------------------------------------------------------------------------------------------------

uint64_t Heap::reference(uint64_t offset, uint64_t length, uint32_t redZone, ReferenceSort sort) {
    const std::lock_guard<std::mutex> lock(mutex_);
    return references_.add(offset, length, redZone, sort);
}

int Heap::share(uint64_t offset, uint64_t generation) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (references_.find(offset, generation) == nullptr) return -ESTALE;
    references_.share(offset);
    return 0;
}

int Heap::conceal(uint64_t offset, uint64_t generation, uint64_t* concealed) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const Reference* const found = references_.find(offset, generation);
    if (found == nullptr) return -ESTALE;
    const Reference was = *found;
    *concealed = references_.add(offset, was.length, was.redZone, ReferenceSort::kQuarantined);
    return 0;
}

int Heap::relength(uint64_t offset, uint64_t generation, uint64_t length) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (references_.find(offset, generation) == nullptr) return -ESTALE;
    references_.relength(offset, length);
    return 0;
}

int Heap::dereference(uint64_t offset, uint64_t generation, Reference* reference, uint32_t* code, uint32_t* units) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const Reference* const found = references_.find(offset, generation);
    if (found == nullptr) return -ESTALE;
    *reference = *found;
    *code = slabs_.classAt(offset);
    *units = 0;
    if (*code != SlabAllocator::kNone) return 0;
    *units = runs_.largeUnits(static_cast<uint32_t>(offset >> runs_.unitShift()));
    *code = kRunCode;
    return 0;
}

int Heap::unreference(uint64_t offset, uint64_t generation) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (references_.find(offset, generation) == nullptr) return -ESTALE;
    references_.remove(offset);
    return 0;
}

int Heap::freeReferenced(ThreadCache* cache, uint64_t offset, uint64_t generation) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (references_.find(offset, generation) == nullptr) return -ESTALE;
    references_.remove(offset);
    const int status = freeLocked(offset);
    if (cache != nullptr) adjust(cache, kRunCode);
    startDecay();
    return status;
}

// ---- Storage and statistics -----------------------------------------------------------------------------------------

void Heap::setDecay(bool (*wake)(void*, uint32_t inMs), void* data) {
    decayWake_ = wake;
    decayData_ = data;
}

void Heap::startDecay() {
    if (decayWake_ == nullptr) return;
    if (!isDecaying_) isDecaying_ = decayWake_(decayData_, restMs_);
    if (decayMs_ > 0 || isDecayUrgent_ || !runs_.storage().hasDirtyChunks()) return;
    isDecayUrgent_ = decayWake_(decayData_, 0);
}

void Heap::settle(HeapLock& lock) {
    startDecay();
    if (waitsInVain_ >= kWaitsInVain) return;
    const uint64_t before = runs_.storage().punches();
    if (awaitDecay(lock) || runs_.storage().punches() != before)
        waitsInVain_ = 0;
    else
        waitsInVain_++;
}

bool Heap::awaitDecay(HeapLock& lock) {
    // This saves a look at the clock.
    if (!isDecayUrgent_) return true;
    const CommitMap& storage = runs_.storage();
    return decayed_.wait_for(lock, kSettling, [this, &storage] {
        return !isDecayUrgent_ || (!storage.hasDirtyChunks() && !storage.isScavenging());
    });
}

uint32_t Heap::restCaches() {
    const uint32_t now = coarseMs();
    uint32_t soonest = ScavengeStep::kNever;
    for (ThreadCache* cache = caches_; cache != nullptr; cache = cache->next) {
        if (!cache->isAwake || cache->isToRest || cache->wake == nullptr) continue;
        const uint32_t since = now - cache->awakeSince;
        if (since < restMs_) {
            soonest = std::min(soonest, restMs_ - since);
        } else {
            cache->isToRest = true;
            cache->wake(cache->wakeData);
        }
    }
    return soonest;
}

ScavengeStep Heap::decay(bool isUrgent) {
    HeapLock lock(mutex_);
    ScavengeStep step = runs_.storage().decay(lock, decayMs_);
    if (isUrgent) {
        if (step.nextInMs != 0) step.nextInMs = ScavengeStep::kNever;
        isDecayUrgent_ = step.nextInMs == 0;
    } else {
        step.nextInMs = std::min(step.nextInMs, restCaches());
        isDecaying_ = step.nextInMs != ScavengeStep::kNever;
    }
    if (isDecayUrgent_) return step;
    waitsInVain_ = 0;
    decayed_.notify_all();
    return step;
}

void Heap::gather(ThreadCache* cache) {
    const std::lock_guard<std::mutex> lock(mutex_);
    drainAllLocked(cache);
}

uint64_t Heap::purge(ThreadCache* cache) {
    gather(cache);
    uint64_t given = 0;
    // Others may free memory as fast as it is given back.
    while (given < capacity_) {
        const uint64_t bytes = purgeSome(UINT64_MAX);
        if (bytes == 0) break;
        given += bytes;
    }
    return given;
}

void Heap::empty(ThreadCache* cache) {
    const std::lock_guard<std::mutex> lock(mutex_);
    drainAllLocked(cache);
    startDecay();
}

uint64_t Heap::purgeSome(uint64_t most) {
    HeapLock lock(mutex_);
    const uint64_t given = runs_.purge(lock, most);
    if (given == 0 && runs_.storage().hasStray()) runs_.storage().sweep(lock, {0, capacity_});
    return given;
}

void Heap::keepStorage() {
    const std::lock_guard<std::mutex> lock(mutex_);
    runs_.storage().keep();
}

int Heap::commit(uint64_t offset, uint64_t length) {
    HeapLock lock(mutex_);
    int error = -EBUSY;
    for (int tries = 0; tries < kCommitTries && error == -EBUSY; tries++) {
        error = runs_.commitBytes(lock, {offset, offset + length});
    }
    return error;
}

void Heap::dropStray(uint64_t offset, uint64_t length) {
    HeapLock lock(mutex_);
    runs_.storage().sweep(lock, {offset, offset + length});
}

int Heap::rawTables(RawTables* tables) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const int error = places_.openStates();
    if (error != 0) return error;
    tables->unitMap = window(runs_.unitMap(), runs_.totalUnits());
    const uint64_t words = slabs_.descriptors().bytes() / sizeof(uint32_t);
    tables->descriptors = window(slabs_.descriptors(), withRoom(slabs_.descriptorWords(), words));
    // A number that is in one of these tables is in all of them.
    const uint64_t numbers = withRoom(slabs_.numbersMade(), places_.numbers());
    tables->states = window(places_.states, numbers);
    tables->classes = window(places_.classes, numbers >> kGroupShift);
    tables->slabs = window(places_.slabs, numbers >> kGroupShift);
    // Nobody asks who owns a block before there may be a second cache.
    tables->owners = window(places_.owners, numbers);
    tables->mostHandles = places_.numbers() << kRawGenerationBits;
    return 0;
}

ClassUses Heap::classUses(bool isWithoutCollected) {
    const std::lock_guard<std::mutex> lock(mutex_);
    ClassUses uses = classUsesLocked();
    if (isWithoutCollected) {
        eachReferenced(ReferenceSort::kCollected, &uses, [](ClassUse* use, uint64_t bytes) {
            use->blocks--;
            use->bytes -= bytes;
        });
    }
    return uses;
}

ClassUses Heap::classUsesLocked() {
    ClassUses uses;
    for (uint32_t row = 0; row <= kSlabClasses; row++) uses[row] = classUseLocked(codeOfRow(row));
    if (references_.hasQuarantined()) {
        eachReferenced(ReferenceSort::kQuarantined, &uses, [](ClassUse* use, uint64_t bytes) {
            use->blocks--;
            use->bytes -= bytes;
            use->cachedBlocks++;
            use->cachedBytes += bytes;
        });
    }
    return uses;
}

template <typename Visit>
void Heap::eachReferenced(ReferenceSort sort, ClassUses* uses, Visit visit) {
    references_.each(sort, [&](uint64_t offset) {
        const uint32_t sizeClass = slabs_.classAt(offset);
        const bool isRun = sizeClass == SlabAllocator::kNone;
        const uint64_t units = runs_.largeUnits(static_cast<uint32_t>(offset >> runs_.unitShift()));
        ClassUse& use = (*uses)[isRun ? kSlabClasses : sizeClass];
        // Another thread's counts may be of a moment ago (see classUseLocked), and not have this block.
        if (use.blocks > 0) visit(&use, std::min(use.bytes, isRun ? units << runs_.unitShift() : classSize(sizeClass)));
    });
}

ClassUse Heap::classUseLocked(uint32_t code) {
    const bool isRun = code >= kRunCode;
    ClassUse use{};
    for (ThreadCache* cache = caches_; cache != nullptr; cache = cache->next) {
        const uint32_t first = isRun ? kRunCode : code;
        const uint32_t last = isRun ? kMagazines : code + 1;
        for (uint32_t index = first; index < last; index++) {
            const uint64_t count = cache->blocks(index);
            if (count == 0) continue;
            const uint64_t units = cache->unitsIn(index);
            use.cachedBlocks += count;
            use.cachedBytes += count * (isRun ? units << runs_.unitShift() : classSize(code));
        }
    }
    uint64_t taken = takenRuns_;
    uint64_t bytes = takenRunBytes_;
    if (!isRun) {
        const ClassStats& stats = slabs_.stats(code);
        use.slabs = stats.slabs;
        use.slots = stats.slots;
        taken = stats.taken;
        bytes = taken * classSize(code);
    }
    // Another thread's counts are read while it works. A moment's inconsistency must not wrap around.
    use.blocks = taken - std::min(taken, use.cachedBlocks);
    use.bytes = bytes - std::min(bytes, use.cachedBytes);
    return use;
}

uint64_t Heap::collectable(uint64_t taken) {
    const std::lock_guard<std::mutex> lock(mutex_);
    return takenBytes_ < taken ? 0 : references_.collectedBytes();
}

HeapStats Heap::stats() {
    HeapLock lock(mutex_);
    awaitDecay(lock);
    HeapStats stats{};
    for (const ClassUse& use : classUsesLocked()) {
        stats.blocks += use.blocks;
        stats.allocated += use.bytes;
        stats.cached += use.cachedBytes;
    }
    const uint32_t shift = runs_.unitShift();
    stats.capacity = capacity_;
    stats.committed = runs_.storage().committedBytes();
    stats.free = runs_.freeUnits() << shift;
    const uint64_t unusable = runs_.unusableUnits() << shift;
    stats.active = (static_cast<uint64_t>(runs_.totalUnits()) << shift) - stats.free - unusable;
    stats.lost = unusable + slabs_.retiredBytes();
    stats.largestFree = static_cast<uint64_t>(runs_.longestFree()) << shift;
    stats.highWater = highWater_;
    return stats;
}

uint64_t Heap::unheldBytes() {
    const std::lock_guard<std::mutex> lock(mutex_);
    uint64_t held = (runs_.unusableUnits() << runs_.unitShift()) + slabs_.retiredBytes();
    for (const ClassUse& use : classUsesLocked()) held += use.bytes;
    return capacity_ - std::min(capacity_, held);
}

}  // namespace daxkind
