// The upper half of the heap for small blocks: slabs, which are runs cut into slots of one size class. A slab has a
// descriptor in DRAM with one bit for each slot.
//
// Who may call: anybody who holds the heap's lock. What it never does: it never reads or writes the region's memory.
//
// Raw handles (numbers that JavaScript holds in place of Buffers) need one byte for each slot, which says whether a
// handle of the slot is out, and its generation. JavaScript reads descriptors and reads and writes these state bytes
// itself, see RawTables; both are validated by whoever reads them, for a wrong handle may lead anywhere.
#pragma once

#include <cstdint>

#include "heap/lazy_array.h"
#include "heap/run_allocator.h"
#include "heap/size_classes.h"

namespace daxkind {

// Words of 4 bytes of a slab's descriptor. The bitmap of free slots follows, in words of 64 bits. A descriptor takes a
// multiple of kDescriptorWords; its index, which the unit map holds, counts in those.
constexpr uint32_t kDescriptorWords = 8;
constexpr uint32_t kSlabStart = 0;      // First unit.
constexpr uint32_t kSlabShape = 1;      // Size class (6 bits), slots (11 bits), units (15 bits).
constexpr uint32_t kSlabFree = 2;       // Free slots; kSlabListed.
constexpr uint32_t kSlabPrevious = 3;   // In its class's list of slabs with free slots.
constexpr uint32_t kSlabNext = 4;       // In that list, or in the list of unused descriptors.
constexpr uint32_t kSlabStateBase = 5;  // Where its slots' state bytes begin, in units of eight bytes.
constexpr uint32_t kSlabBits = 6;
constexpr uint32_t kSlabClassBits = 6;
constexpr uint32_t kSlabSlotsBits = 11;
static_assert(kSlabClasses <= 1u << kSlabClassBits && kMaxSlots < 1u << kSlabSlotsBits);

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

    // Takes up to `want` slots of a class; at least one, or -ENOMEM or the region's error.
    int take(HeapLock& lock, uint32_t sizeClass, uint32_t want, uint64_t* offsets, uint32_t* count);
    // Gives a slot back and tells its class. -EINVAL if no taken slot begins at the offset.
    int free(uint64_t offset, uint32_t* sizeClass);
    // The class of the taken slot that begins at the offset, or kNone.
    uint32_t classAt(uint64_t offset) const;
    // Takes a slot for the content of the one at `offset` in another slab of its class that is as full, or fuller;
    // -ENOENT if there is none.
    int takeBetter(uint64_t offset, uint64_t* better);
    // Gives back the slabs that are kept empty.
    void releaseEmpty();

    const ClassStats& stats(uint32_t sizeClass) const { return stats_[sizeClass]; }

    // Room for the state bytes of all slots there can be. 0 or -errno.
    int openStates();
    LazyArray<uint32_t>& descriptors() { return words_; }
    LazyArray<uint8_t>& states() { return states_; }
    uint64_t descriptorBytes() const { return wordsMade_ * 4; }
    uint64_t stateBytes() const { return statesMade_ * 8; }

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
    static uint32_t freeIn(const uint32_t* slab) { return slab[kSlabFree] & ~kListed; }
    static bool isListed(const uint32_t* slab) { return (slab[kSlabFree] & kListed) != 0; }
    static uint64_t* bits(uint32_t* slab) { return reinterpret_cast<uint64_t*>(slab + kSlabBits); }
    static const uint64_t* bits(const uint32_t* slab) { return reinterpret_cast<const uint64_t*>(slab + kSlabBits); }
    // The slab and the slot of an offset; kNone if none begins there.
    uint32_t find(uint64_t offset, uint32_t* slot) const;
    uint64_t offsetOf(const uint32_t* slab, uint32_t slot) const;
    uint64_t takeSlot(uint32_t index, uint32_t word);

    int newSlab(HeapLock& lock, uint32_t sizeClass);
    // For a slab of so many slots; kNone if there can be no more of them, in a region of some hundred GiB.
    uint32_t newDescriptor(uint32_t slots);
    void release(uint32_t index);
    void link(uint32_t index);
    void unlink(uint32_t index);

    static constexpr uint32_t kListed = 1u << 31;

    RunAllocator* runs_ = nullptr;
    bool keepsEmpty_ = true;
    LazyArray<uint32_t> words_;
    uint64_t wordsMade_ = 0;
    uint32_t unused_[kSizes];
    LazyArray<uint8_t> states_;
    uint64_t statesMade_ = 0;           // In units of eight bytes.
    uint32_t available_[kSlabClasses];  // Slabs with free slots, by class.
    uint32_t kept_[kSlabClasses];       // The slab of each class that is empty and kept, or kNone.
    SlabShape shapes_[kSlabClasses];
    ClassStats stats_[kSlabClasses] = {};
};

}  // namespace daxkind
