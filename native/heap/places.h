// Numbers for the places where a block can be, and the tables that the heap keeps by these numbers. Each unit has a
// number, for a run that begins there. Behind those, each slot of each slab's descriptor has one. A descriptor keeps
// its numbers when its slab is gone. The next slab that gets the descriptor gets the numbers with it.
//
// A raw handle (a number that JavaScript holds in place of a Buffer) is made of the number of its place and a
// generation. The state of the place says whether its handle is out, and which generation the handle has. A state never
// forgets its generation, so that an old handle is not taken for a new one. JavaScript reads and writes states without
// a lock, and reads the other tables. It checks all that it reads, because a wrong handle may lead anywhere.
//
// Who may call: anybody who holds the heap's lock.
#pragma once

#include <cstdint>

#include "heap/shared_word.h"
#include "syscalls/lazy_array.h"

namespace daxkind {

// A state has this many bits for the generation of its handle. The next bit says whether the handle is out.
constexpr uint32_t kRawGenerationBits = 11;
constexpr uint16_t kHandleOut = 1u << kRawGenerationBits;
// log2 of the length of a group of numbers. A descriptor has numbers for whole groups, all in one piece. So each group
// belongs to one slab, or to units.
constexpr uint32_t kGroupShift = 6;

// Units are not numbered in their order. Runs that begin at neighbouring units may be different threads', so the states
// of 64 neighbours are in 64 cache lines. That is so in each stretch of 2,048 units: a line has the states of 32 units,
// each 64 behind the one before.
constexpr uint32_t kSpreadShift = 6;
constexpr uint32_t kLineShift = 5;
constexpr uint32_t kStretchMask = (1u << (kSpreadShift + kLineShift)) - 1;
constexpr uint32_t numberOfUnit(uint32_t unit) {
    const uint32_t inStretch = unit & kStretchMask;
    const uint32_t line = inStretch & ((1u << kSpreadShift) - 1);
    return (unit - inStretch) | line << kLineShift | inStretch >> kSpreadShift;
}
constexpr uint32_t unitOfNumber(uint32_t number) {
    const uint32_t inStretch = number & kStretchMask;
    const uint32_t inLine = inStretch & ((1u << kLineShift) - 1);
    return (number - inStretch) | inLine << kSpreadShift | inStretch >> kLineShift;
}
static_assert(numberOfUnit(2048 + 65) == 2048 + 33 && unitOfNumber(2048 + 33) == 2048 + 65);

class Places {
  public:
    // The number of the first slot, if there are that many units.
    static uint64_t slotsBehind(uint32_t units) { return (uint64_t{units} + kStretchMask) & ~uint64_t{kStretchMask}; }

    // 0 or -errno.
    int open(uint32_t units, uint64_t mostSlots) {
        firstSlot_ = slotsBehind(units);
        // A whole number of groups.
        numbers_ = firstSlot_ + (mostSlots >> kGroupShift << kGroupShift);
        const int error = slabs.reserve(numbers_ >> kGroupShift);
        return error != 0 ? error : classes.reserve(numbers_ >> kGroupShift);
    }
    // Makes room for the states. 0 or -errno.
    int openStates() { return states.isOpen() ? 0 : states.reserve(numbers_); }
    // Makes room for the owners. With a single cache nobody asks for them. 0 or -errno.
    int openOwners() { return owners.isOpen() ? 0 : owners.reserve(numbers_); }

    uint64_t firstSlot() const { return firstSlot_; }
    // How many numbers there can be.
    uint64_t numbers() const { return numbers_; }
    bool isOut(uint64_t number) const { return states.isOpen() && (states[number] & kHandleOut) != 0; }

    syscalls::LazyArray<SharedWord<uint16_t>> states;
    // The owner of a run, and of a slot in a slab with many owners (owners.h).
    syscalls::LazyArray<SharedWord<uint16_t>> owners;
    // By group: 1 + the class of its slab, or of the last slab that was there. 0 for a group of units.
    syscalls::LazyArray<SharedWord<uint8_t>> classes;
    // By group: the index of the slab's descriptor.
    syscalls::LazyArray<SharedWord<uint32_t>> slabs;

  private:
    uint64_t firstSlot_ = 0;
    uint64_t numbers_ = 0;
};

}  // namespace daxkind
