// Numbers for the places where a block can be, and what the heap keeps by them: a number for each unit, of the run that
// begins there, and behind those one for each slot of each slab's descriptor. Numbers stay with a descriptor when its
// slab is gone, and go to the next slab that has the descriptor.
//
// A raw handle (a number that JavaScript holds in place of a Buffer) is made of the number of its place and a
// generation. The place's state says whether its handle is out, and which generation that has; states never forget, so
// that an old handle is not taken for a new one. JavaScript reads and writes states without a lock, and reads the other
// tables; it checks all that it reads, because a wrong handle may lead anywhere.
//
// Who may call: anybody who holds the heap's lock.
#pragma once

#include <cstdint>

#include "heap/shared_word.h"
#include "syscalls/lazy_array.h"

namespace daxkind {

// A state has so many bits for the generation of its handle; the next says whether the handle is out.
constexpr uint32_t kRawGenerationBits = 11;
constexpr uint16_t kHandleOut = 1u << kRawGenerationBits;
// A descriptor has numbers for a multiple of 1 << kGroupShift slots, all in one piece: a group of numbers is of one
// slab, or of units.
constexpr uint32_t kGroupShift = 6;

// Units are not numbered in their order: 64 neighbours have states in 64 cache lines, because the runs that begin there
// may be different threads'. So in each stretch of units; a line has the states of 32, each 64 behind the last.
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
    // The number of the first slot where there are so many units.
    static uint64_t slotsBehind(uint32_t units) { return (uint64_t{units} + kStretchMask) & ~uint64_t{kStretchMask}; }

    // 0 or -errno.
    int open(uint32_t units, uint64_t mostSlots) {
        firstSlot_ = slotsBehind(units);
        // A whole number of groups.
        numbers_ = firstSlot_ + (mostSlots >> kGroupShift << kGroupShift);
        const int error = slabs.reserve(numbers_ >> kGroupShift);
        return error != 0 ? error : classes.reserve(numbers_ >> kGroupShift);
    }
    // Room for the states. 0 or -errno.
    int openStates() { return states.isOpen() ? 0 : states.reserve(numbers_); }
    // Room for the owners: where one cache takes and frees all, nobody asks for them. 0 or -errno.
    int openOwners() { return owners.isOpen() ? 0 : owners.reserve(numbers_); }

    uint64_t firstSlot() const { return firstSlot_; }
    // How many numbers there can be.
    uint64_t numbers() const { return numbers_; }
    bool isOut(uint64_t number) const { return states.isOpen() && (states[number] & kHandleOut) != 0; }

    syscalls::LazyArray<SharedWord<uint16_t>> states;
    // Whose the run is, and the slot in a slab of many owners (owners.h).
    syscalls::LazyArray<SharedWord<uint16_t>> owners;
    // By group: the class of its slab and 1, or of the slab that was there; 0 for units.
    syscalls::LazyArray<SharedWord<uint8_t>> classes;
    // By group: the index of the descriptor.
    syscalls::LazyArray<SharedWord<uint32_t>> slabs;

  private:
    uint64_t firstSlot_ = 0;
    uint64_t numbers_ = 0;
};

}  // namespace daxkind
