// What becomes of a thread's blocks when the thread cannot reach them any more, and how a raw handle of any thread is
// freed.
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "heap/heap.h"

namespace daxkind {

namespace {

// The most slots and entries of the unit map that are looked at under the lock: less than a millisecond of work.
constexpr uint32_t kAbandonStep = 8192;
// Long enough for a thread that waits for the lock to wake up and get it.
constexpr std::chrono::microseconds kBreath{50};

}  // namespace

int Heap::expectOthers() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return places_.openOwners();
}

bool Heap::forgetReference(uint64_t offset) {
    if (references_.isEmpty()) return true;
    const Reference* const reference = references_.at(offset);
    if (reference == nullptr) return true;
    if (reference->sort != ReferenceSort::kGuarded) return false;
    references_.remove(offset);
    return true;
}

uint32_t Heap::abandonSlab(uint32_t slab, uint32_t owner) {
    SlotSet slots = slabs_.disown(slab, owner);
    const uint32_t looked = slabs_.slotsIn(slab);
    for (size_t word = 0; word < slots.size() && !references_.isEmpty(); word++) {
        for (uint64_t rest = slots[word]; rest != 0; rest &= rest - 1) {
            const uint32_t bit = static_cast<uint32_t>(__builtin_ctzll(rest));
            const uint64_t offset = slabs_.offsetOf(slab, static_cast<uint32_t>(word) * 64 + bit);
            if (!forgetReference(offset)) slots[word] &= ~(1ull << bit);
        }
    }
    uint32_t sizeClass;
    const uint64_t count = slabs_.freeSlots(slab, slots, &sizeClass);
    takenBytes_ -= count * classSize(sizeClass);
    return looked;
}

void Heap::abandonRun(uint32_t unit, uint32_t owner) {
    if (ownerOfRun(unit) != owner) return;
    if (places_.isOut(numberOfUnit(unit))) return;
    const uint64_t offset = static_cast<uint64_t>(unit) << runs_.unitShift();
    if (forgetReference(offset)) freeLocked(offset);
}

bool Heap::abandonSome(uint32_t owner, uint32_t* upTo) {
    const std::lock_guard<std::mutex> lock(mutex_);
    // All blocks go with the heap.
    if (isClosed_) return true;
    uint32_t& unit = runs_.walk(owner);
    for (uint32_t looked = 0; looked < kAbandonStep && unit < runs_.totalUnits(); looked++) {
        const uint32_t at = unit;
        const uint32_t slab = runs_.slabAt(at);
        const uint32_t units = runs_.largeUnits(at);
        if (slab != RunAllocator::kNone) {
            unit = slabs_.endOf(slab);
            looked += abandonSlab(slab, owner);
        } else if (units != 0) {
            unit = at + units;
            abandonRun(at, owner);
        } else {
            // A unit that is not free either is being committed for somebody, and has no tag yet; or it is lost.
            unit = std::max(at + 1, runs_.endOfFree(at));
        }
    }
    noteFreed();
    startDecay();
    if (upTo != nullptr) *upTo = unit;
    if (unit < runs_.totalUnits()) return false;
    runs_.endWalk(owner);
    slabs_.releaseEmpty();
    owners_.remove(owner);
    return true;
}

void Heap::abandon(uint32_t owner) {
    while (!abandonSome(owner)) std::this_thread::sleep_for(kBreath);
}

bool Heap::close() {
    const std::lock_guard<std::mutex> lock(mutex_);
    isClosed_ = caches_ == nullptr;
    return isClosed_;
}

int Heap::freeRaw(ThreadCache* cache, uint64_t number, uint16_t out, int fill) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!places_.states.isOpen()) return -EINVAL;
    uint64_t offset = 0;
    uint64_t bytes = 0;
    if (slabs_.findNumber(number, &offset)) {
        bytes = classSize(slabs_.classAt(offset));
    } else {
        if (number >= places_.firstSlot()) return -EINVAL;
        const uint32_t unit = unitOfNumber(static_cast<uint32_t>(number));
        const uint32_t units = runs_.largeUnits(unit);
        if (units == 0) return -EINVAL;
        offset = uint64_t{unit} << runs_.unitShift();
        bytes = static_cast<uint64_t>(units) << runs_.unitShift();
    }
    // An exchange, because the thread that owns the block frees it without the lock.
    const uint16_t freed = out & static_cast<uint16_t>(~kHandleOut);
    if (freed == out || !places_.states[number].exchange(out, freed)) return -EINVAL;
    if (fill >= 0) std::memset(region_->base() + offset, fill, bytes);
    const int status = freeLocked(offset);
    adjust(cache, kRunCode);
    startDecay();
    return status;
}

}  // namespace daxkind
