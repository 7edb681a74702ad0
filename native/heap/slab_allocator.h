// The upper half of the heap for small blocks: slabs, which are runs cut into slots of one size class. A slab has a
// descriptor in DRAM with one bit for each slot.
//
// Who may call: anybody who holds the heap's lock. What it never does: it never reads or writes the region's memory.
//
// Raw handles (numbers that JavaScript holds in place of Buffers) need a state for each slot, two bytes that say
// whether a handle of the slot is out, and its generation. A handle names the state, and `stateSlabs` tells from the
// number of a state whose it is. JavaScript reads descriptors and these, and reads and writes states itself, see
// RawTables; all are validated by whoever reads them, because a wrong handle may lead anywhere.
//
// A slab is one cache's while only that one takes from it (owners.h): threads then share no slab, and whose a block is
// costs no memory. Where that would waste memory, because little is left or others have much of the class free, a cache
// takes from another's slab. From then on the slab has two bytes for each slot.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "heap/lazy_array.h"
#include "heap/owners.h"
#include "heap/run_allocator.h"
#include "heap/size_classes.h"

namespace daxkind {

// Words of 4 bytes of a slab's descriptor. The bitmap of free slots follows, in words of 64 bits. A descriptor takes a
// multiple of kDescriptorWords; its index, which the unit map holds, counts in those.
constexpr uint32_t kDescriptorWords = 8;
constexpr uint32_t kSlabStart = 0;      // First unit.
constexpr uint32_t kSlabShape = 1;      // Size class (6 bits), slots (11 bits), units (15 bits).
constexpr uint32_t kSlabFree = 2;       // Free slots (15 bits), owner (16 bits), whether it is in a list (1 bit).
constexpr uint32_t kSlabPrevious = 3;   // In its owner's list of slabs of the class with free slots.
constexpr uint32_t kSlabNext = 4;       // In that list, or in the list of unused descriptors.
constexpr uint32_t kSlabStateBase = 5;  // The number of its first slot's state, in eights.
constexpr uint32_t kSlabBits = 6;
constexpr uint32_t kSlabClassBits = 6;
constexpr uint32_t kSlabSlotsBits = 11;
constexpr uint32_t kSlabOwnerShift = 15;
// A descriptor has states for a multiple of 1 << kStateGroupShift slots, all in one piece.
constexpr uint32_t kStateGroupShift = 6;
static_assert(kSlabClasses <= 1u << kSlabClassBits && kMaxSlots < 1u << kSlabSlotsBits);
static_assert(kMaxSlots < 1u << kSlabOwnerShift && kMostOwners == 1u << 16);

// A state has so many bits for the generation of its handle; the next says whether the handle is out.
constexpr uint32_t kRawGenerationBits = 11;
constexpr uint16_t kHandleOut = 1u << kRawGenerationBits;

// One bit for each slot of a slab.
using SlotSet = std::array<uint64_t, kMaxSlots / 64>;

struct ClassStats {
    uint64_t slabs;  // Slabs of the class.
    uint64_t slots;  // Slots in them.
    uint64_t taken;  // Slots that are not free: held by callers or by thread caches.
};

class SlabAllocator {
  public:
    static constexpr uint32_t kNone = RunAllocator::kNone;

    // `keepsEmpty`: one empty slab of each class is kept, so that a block at the border of two slabs does not make and
    // break one each time. 0 or -errno.
    int open(RunAllocator* runs, bool keepsEmpty);

    // A cache of that number takes slots from now on.
    void addOwner(uint32_t owner);

    // Takes up to `want` slots of a class for an owner; at least one, or -ENOMEM or the region's error.
    int take(HeapLock& lock, uint32_t owner, uint32_t sizeClass, uint32_t want, uint64_t* offsets, uint32_t* count);
    // Gives a slot back and tells its class. -EINVAL if no taken slot begins at the offset.
    int free(uint64_t offset, uint32_t* sizeClass);
    // The class of the taken slot that begins at the offset, or kNone.
    uint32_t classAt(uint64_t offset) const;
    // Takes a slot for the content of the owner's one at `offset` in another slab of its class that is as full, or
    // fuller; -ENOENT if there is none that is not another owner's.
    int takeBetter(uint32_t owner, uint64_t offset, uint64_t* better);
    // Gives back the slabs that are kept empty.
    void releaseEmpty();

    // An owner has ended: the slab is not its any more. Gives its slots of which no raw handle is out, all of them
    // taken.
    SlotSet disown(uint32_t index, uint32_t owner);
    // Gives taken slots back. How many, and of which class.
    uint32_t freeSlots(uint32_t index, const SlotSet& slots, uint32_t* sizeClass);
    uint64_t offsetOf(uint32_t index, uint32_t slot) const { return offsetOf(at(index), slot); }
    uint32_t slotsIn(uint32_t index) const { return slotsOf(at(index)); }
    // The first unit behind a slab.
    uint32_t endOf(uint32_t index) const { return at(index)[kSlabStart] + unitsOfSlab(at(index)); }
    // The state of that number and where its slot begins; null if no taken slot has it.
    uint16_t* stateOf(uint64_t number, uint64_t* offset);

    const ClassStats& stats(uint32_t sizeClass) const { return stats_[sizeClass]; }

    // Room for the states, and the owners, of all slots there can be. 0 or -errno.
    int openStates();
    int openOwners();
    // How many states there can be.
    uint64_t mostStates() const;
    LazyArray<uint32_t>& descriptors() { return words_; }
    // The index of the descriptor whose the states are; one for each 1 << kStateGroupShift of them.
    LazyArray<uint32_t>& stateSlabs() { return stateSlabs_; }
    LazyArray<uint16_t>& states() { return states_; }
    // By slot as the states are, of slabs with many owners.
    LazyArray<uint16_t>& slotOwners() { return slotOwners_; }
    uint64_t descriptorBytes() const { return wordsMade_ * 4; }
    uint64_t stateSlabBytes() const { return (statesMade_ * 8 >> kStateGroupShift) * 4; }
    uint64_t stateBytes() const { return statesMade_ * 8 * 2; }

  private:
    // Descriptors of one to five granules of kDescriptorWords; the longest is for kMaxSlots.
    static constexpr uint32_t kSizes = 6;

    uint32_t* at(uint32_t index) { return &words_[static_cast<size_t>(index) * kDescriptorWords]; }
    const uint32_t* at(uint32_t index) const { return &words_[static_cast<size_t>(index) * kDescriptorWords]; }
    static uint32_t classOfSlab(const uint32_t* slab) { return slab[kSlabShape] & ((1u << kSlabClassBits) - 1); }
    static uint32_t slotsOf(const uint32_t* slab) {
        return (slab[kSlabShape] >> kSlabClassBits) & ((1u << kSlabSlotsBits) - 1);
    }
    static uint32_t unitsOfSlab(const uint32_t* slab) { return slab[kSlabShape] >> (kSlabClassBits + kSlabSlotsBits); }
    static uint32_t freeIn(const uint32_t* slab) { return slab[kSlabFree] & kFreeMask; }
    static uint32_t ownerOf(const uint32_t* slab) { return (slab[kSlabFree] >> kSlabOwnerShift) & (kMostOwners - 1); }
    static uint64_t firstState(const uint32_t* slab) { return uint64_t{slab[kSlabStateBase]} * 8; }
    static bool isListed(const uint32_t* slab) { return (slab[kSlabFree] & kListed) != 0; }
    static uint64_t* bits(uint32_t* slab) { return reinterpret_cast<uint64_t*>(slab + kSlabBits); }
    static const uint64_t* bits(const uint32_t* slab) { return reinterpret_cast<const uint64_t*>(slab + kSlabBits); }
    // The slab and the slot of an offset; kNone if none begins there.
    uint32_t find(uint64_t offset, uint32_t* slot) const;
    uint64_t offsetOf(const uint32_t* slab, uint32_t slot) const;
    uint64_t takeSlot(uint32_t owner, uint32_t index, uint32_t word);
    // Keeps books of slots whose bits have just been set.
    void freed(uint32_t index, uint32_t count);

    // A slab with free slots that is the owner's, or nobody's until now, or that of many; kNone if there is none.
    uint32_t listedFor(uint32_t owner, uint32_t sizeClass);
    // A slab with free slots that the owner may take. 0, -ENOMEM or the region's error.
    int slabFor(HeapLock& lock, uint32_t owner, uint32_t sizeClass, uint32_t* index);
    // Whether an owner shall take from another's slab although there may be memory for a new one.
    bool isScarce(uint32_t sizeClass) const;
    // Another owner's slab with free slots, which has many owners from now on, where listedFor() has found none; kNone
    // if there is none.
    uint32_t borrow(uint32_t sizeClass);
    void setOwner(uint32_t index, uint32_t owner);

    int newSlab(HeapLock& lock, uint32_t owner, uint32_t sizeClass);
    // For a slab of so many slots; kNone if there can be no more of them, in a region of some hundred GiB.
    uint32_t newDescriptor(uint32_t slots);
    void release(uint32_t index);
    void link(uint32_t index);
    void unlink(uint32_t index);

    static constexpr uint32_t kListed = 1u << 31;
    static constexpr uint32_t kFreeMask = (1u << kSlabOwnerShift) - 1;

    RunAllocator* runs_ = nullptr;
    bool keepsEmpty_ = true;
    LazyArray<uint32_t> words_;
    uint64_t wordsMade_ = 0;
    uint32_t unused_[kSizes];
    LazyArray<uint16_t> states_;
    LazyArray<uint32_t> stateSlabs_;
    uint64_t statesMade_ = 0;  // In eights.
    LazyArray<uint16_t> slotOwners_;
    // Slabs with free slots, by owner and class.
    std::vector<std::array<uint32_t, kSlabClasses>> available_;
    uint32_t kept_[kSlabClasses];  // The slab of each class that is empty and kept, or kNone. It is nobody's.
    SlabShape shapes_[kSlabClasses];
    ClassStats stats_[kSlabClasses] = {};
};

}  // namespace daxkind
