// The upper half of the heap, for small blocks: slabs, which are runs that are cut into slots of one size class. A slab
// has a descriptor in DRAM with one bit for each slot.
//
// Who may call: anybody who holds the heap's lock. What it never does: it never reads or writes the region's memory.
//
// A slab belongs to one thread cache while only that cache takes from it (owners.h). So threads share no slab, and it
// costs no memory to remember the owner of a block. That would waste memory if little is left, or if others have much
// of the class free. Then a cache takes from another's slab. From then on each slot of that slab has its own owner in a
// table (places.h).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <unordered_set>
#include <vector>

#include "heap/owners.h"
#include "heap/places.h"
#include "heap/run_allocator.h"
#include "heap/shared_word.h"
#include "heap/size_classes.h"
#include "syscalls/lazy_array.h"

namespace daxkind {

// The words of a slab's descriptor, of 4 bytes each. The bitmap of free slots follows them, with 64 bits in two words,
// the lower ones first. JavaScript reads the words before the bitmap. A descriptor takes a multiple of kDescriptorWords
// words. Its index, which the unit map holds, counts in those multiples.
constexpr uint32_t kDescriptorWords = 8;
constexpr uint32_t kSlabStart = 0;     // First unit.
constexpr uint32_t kSlabShape = 1;     // Size class (6 bits), slots (11 bits), units (15 bits).
constexpr uint32_t kSlabFree = 2;      // Free slots (15 bits), owner (16 bits), whether it is in a list (1 bit).
constexpr uint32_t kSlabPrevious = 3;  // In its owner's list of slabs of the class with free slots.
constexpr uint32_t kSlabNext = 4;      // In that list, or in the list of unused descriptors.
constexpr uint32_t kSlabGroup = 5;     // The first group of its slots' numbers (places.h).
constexpr uint32_t kSlabBits = 6;
constexpr uint32_t kSlabClassBits = 6;
constexpr uint32_t kSlabSlotsBits = 11;
constexpr uint32_t kSlabOwnerShift = 15;
static_assert(kSlabClasses <= 1u << kSlabClassBits && kMaxSlots < 1u << kSlabSlotsBits);
static_assert(kMaxSlots < 1u << kSlabOwnerShift && kMostOwners == 1u << 16);

// One bit for each slot of a slab.
using SlotSet = std::array<uint64_t, kMaxSlots / 64>;

struct ClassStats {
    uint64_t slabs;  // Slabs of the class.
    uint64_t slots;  // Slots in them.
    uint64_t taken;  // Slots that callers or thread caches hold. Slots that are out of use are not counted at all.
};

class SlabAllocator {
  public:
    static constexpr uint32_t kNone = RunAllocator::kNone;

    // `keepsEmpty`: one empty slab of each class is kept. Otherwise a program that allocates and frees the same block
    // again and again could make and release a slab each time. 0 or -errno.
    int open(RunAllocator* runs, Places* places, bool keepsEmpty);

    // A cache of that number takes slots from now on.
    void addOwner(uint32_t owner);

    // Takes up to `want` slots of a class for an owner, and at least one. 0; -ENOMEM; the region's error; or -EBUSY as
    // RunAllocator::allocate().
    int take(HeapLock& lock, uint32_t owner, uint32_t sizeClass, uint32_t want, uint64_t* offsets, uint32_t* count);
    // Gives a slot back and tells its class. -EINVAL if no taken slot begins at the offset.
    int free(uint64_t offset, uint32_t* sizeClass);
    // The class of the taken slot that begins at the offset, or kNone.
    uint32_t classAt(uint64_t offset) const;
    // The owner has a block at `offset`. Takes a slot for it in another slab of its class that is as full or fuller,
    // and not another owner's. -ENOENT if there is no such slab.
    int takeFuller(uint32_t owner, uint64_t offset, uint64_t* better);
    // Bytes [from, to) of a slab are lost. Its free slots there are taken for good. Its other slots there go out of use
    // when they are given back. Calls visit(slot, isNobodys) for each slot there. `isNobodys` says that nobody holds
    // the slot.
    template <typename Visit>
    void lose(uint32_t index, uint64_t from, uint64_t to, Visit visit);
    // Bytes of the slots that are out of use.
    uint64_t retiredBytes() const { return retiredBytes_; }
    uint64_t numberOf(uint32_t index, uint32_t slot) const { return firstNumber(at(index)) + slot; }
    // Gives back the slabs that are kept empty.
    void releaseEmpty();

    // An owner has ended. The slab does not belong to it any more. Returns the taken slots of that owner, except those
    // whose raw handle is out.
    SlotSet disown(uint32_t index, uint32_t owner);
    // Gives taken slots back. Returns how many, and tells their class.
    uint32_t freeSlots(uint32_t index, const SlotSet& slots, uint32_t* sizeClass);
    uint64_t offsetOf(uint32_t index, uint32_t slot) const { return offsetOf(at(index), slot); }
    uint32_t classIn(uint32_t index) const { return classOfSlab(at(index)); }
    uint32_t slotsIn(uint32_t index) const { return slotsOf(at(index)); }
    // The first unit behind a slab.
    uint32_t endOf(uint32_t index) const { return at(index)[kSlabStart] + unitsOfSlab(at(index)); }
    // Where the taken slot of that number begins. False if there is no such slot.
    bool findNumber(uint64_t number, uint64_t* offset) const;

    const ClassStats& stats(uint32_t sizeClass) const { return stats_[sizeClass]; }

    syscalls::LazyArray<SharedWord<uint32_t>>& descriptors() { return words_; }
    uint64_t descriptorWords() const { return wordsMade_; }
    // How many numbers belong to a unit or a descriptor.
    uint64_t numbersMade() const { return groupsMade_ << kGroupShift; }

  private:
    // A descriptor has one to five granules of kDescriptorWords words. The longest has bits for kMaxSlots.
    static constexpr uint32_t kSizes = 6;

    using Word = SharedWord<uint32_t>;
    Word* at(uint32_t index) { return &words_[static_cast<size_t>(index) * kDescriptorWords]; }
    const Word* at(uint32_t index) const { return &words_[static_cast<size_t>(index) * kDescriptorWords]; }
    static uint32_t classOfSlab(const Word* slab) { return slab[kSlabShape] & ((1u << kSlabClassBits) - 1); }
    static uint32_t slotsOf(const Word* slab) {
        return (slab[kSlabShape] >> kSlabClassBits) & ((1u << kSlabSlotsBits) - 1);
    }
    static uint32_t unitsOfSlab(const Word* slab) { return slab[kSlabShape] >> (kSlabClassBits + kSlabSlotsBits); }
    static uint32_t freeIn(const Word* slab) { return slab[kSlabFree] & kFreeMask; }
    static uint32_t ownerOf(const Word* slab) { return (slab[kSlabFree] >> kSlabOwnerShift) & (kMostOwners - 1); }
    static uint64_t firstNumber(const Word* slab) { return uint64_t{slab[kSlabGroup]} << kGroupShift; }
    static bool isListed(const Word* slab) { return (slab[kSlabFree] & kListed) != 0; }
    // Which of the 64 slots from slot 64 * `word` on are free.
    static uint64_t bits(const Word* slab, uint32_t word) {
        const Word* const at = slab + kSlabBits + size_t{2} * word;
        return at[0] | uint64_t{at[1]} << 32;
    }
    static void setBits(Word* slab, uint32_t word, uint64_t bits) {
        Word* const at = slab + kSlabBits + size_t{2} * word;
        at[0] = static_cast<uint32_t>(bits);
        at[1] = static_cast<uint32_t>(bits >> 32);
    }
    static bool isFree(const Word* slab, uint32_t slot) { return (bits(slab, slot / 64) >> (slot % 64) & 1) != 0; }
    // The slab and the slot that begins at an offset. kNone if no slot begins there.
    uint32_t find(uint64_t offset, uint32_t* slot) const;
    uint64_t offsetOf(const Word* slab, uint32_t slot) const;
    // Takes a free slot that is lost.
    void takeForGood(uint32_t index, uint32_t slot);
    uint64_t takeSlot(uint32_t owner, uint32_t index, uint32_t word);
    // Whether a part of the slot is lost. Such a slot is not to be used again.
    bool isLostSlot(const Word* slab, uint32_t slot) const;
    // Whether a slot is taken for good.
    bool isRetired(const Word* slab, uint32_t slot) const {
        return !retired_.empty() && retired_.count(offsetOf(slab, slot)) != 0;
    }
    // Whether the slot is held by a caller or a thread cache.
    bool isTaken(const Word* slab, uint32_t slot) const { return !isFree(slab, slot) && !isRetired(slab, slot); }
    // Takes a taken slot out of use for good.
    void retire(const Word* slab, uint32_t slot);
    // Books slots whose bits have just been set.
    void freed(uint32_t index, uint32_t count);

    // A slab with free slots for the owner: its own, or one that was nobody's until now, or one with many owners.
    // kNone if there is no such slab.
    uint32_t listedFor(uint32_t owner, uint32_t sizeClass);
    // A slab with free slots that the owner may take, a new one if need be. 0, or an error as take().
    int slabFor(HeapLock& lock, uint32_t owner, uint32_t sizeClass, uint32_t* index);
    // Whether an owner shall take from another's slab although there may be memory for a new one.
    bool isScarce(uint32_t sizeClass) const;
    // A slab of another owner with free slots, for when listedFor() has found no slab. It has many owners from now on.
    // kNone if there is no such slab.
    uint32_t borrow(uint32_t sizeClass);
    void setOwner(uint32_t index, uint32_t owner);

    int newSlab(HeapLock& lock, uint32_t owner, uint32_t sizeClass);
    // The index of an unused descriptor for a slab of that many slots. kNone if there can be no more descriptors: that
    // may happen in a region of some hundred GiB.
    uint32_t newDescriptor(uint32_t slots);
    void release(uint32_t index);
    void link(uint32_t index);
    void unlink(uint32_t index);

    static constexpr uint32_t kListed = 1u << 31;
    static constexpr uint32_t kFreeMask = (1u << kSlabOwnerShift) - 1;

    uint64_t mostSlots() const;

    RunAllocator* runs_ = nullptr;
    Places* places_ = nullptr;
    bool keepsEmpty_ = true;
    syscalls::LazyArray<SharedWord<uint32_t>> words_;
    uint64_t wordsMade_ = 0;
    uint32_t unused_[kSizes];
    uint64_t groupsMade_ = 0;  // With the groups of units.
    // The first of the slabs with free slots, by owner and class.
    std::vector<std::array<uint32_t, kSlabClasses>> available_;
    uint32_t kept_[kSlabClasses];  // The empty slab of each class that is kept, or kNone. Nobody owns it.
    SlabShape shapes_[kSlabClasses];
    ClassStats stats_[kSlabClasses] = {};
    std::unordered_set<uint64_t> retired_;  // The offsets of the slots that are out of use.
    uint64_t retiredBytes_ = 0;
};

template <typename Visit>
void SlabAllocator::lose(uint32_t index, uint64_t from, uint64_t to, Visit visit) {
    Word* const slab = at(index);
    const uint64_t size = classSize(classOfSlab(slab));
    const uint64_t base = static_cast<uint64_t>(slab[kSlabStart]) << runs_->unitShift();
    const uint64_t end = std::min<uint64_t>((std::max(to, base) - base + size - 1) / size, slotsOf(slab));
    for (uint64_t at = from <= base ? 0 : (from - base) / size; at < end; at++) {
        const auto slot = static_cast<uint32_t>(at);
        const bool wasFree = isFree(slab, slot);
        if (wasFree) takeForGood(index, slot);
        visit(slot, isRetired(slab, slot));
    }
}

}  // namespace daxkind
