// When entries end: a hierarchical timer wheel (Varghese and Lauck, 1987) of five levels with 64 slots each. A slot of
// the lowest level is one tick of 8 ms. An entry goes into a slot, and out of it, in a few instructions, and entries
// whose time has not come are only looked at when their slot is divided among the slots of the level below.
//
// Whoever holds the cache's policy lock may call.
#pragma once

#include <cstdint>
#include <optional>

#include "cache/entries.h"

namespace daxkind::cache {

constexpr uint64_t kTickMs = 8;

class Wheel {
  public:
    // `now` is a tick.
    void open(Entries* entries, uint64_t now) {
        entries_ = entries;
        now_ = now;
    }

    // The entry is due at that tick, or soon if the tick has passed. A tick that is too far off is brought nearer: the
    // caller looks at the time that is exact when the entry comes out, and adds it again.
    void add(uint32_t index, uint64_t due, uint64_t now) {
        if (count_ == 0 && now > now_) now_ = now;
        put(index, due);
    }
    void remove(uint32_t index);

    // Takes out an entry that is due by `now`. kNone if there is none, or if more than `*looks` entries had to be
    // looked at. Then `*looks` is negative, and the call is to be made again.
    uint32_t takeDue(uint64_t now, int* looks);
    // The tick at which takeDue() has something to do. No value if no entry is in the wheel.
    std::optional<uint64_t> next() const;

  private:
    static constexpr int kLevels = 5;
    static constexpr int kBits = 6;
    static constexpr uint32_t kSlots = 1u << kBits;
    static_assert(kLevels * kSlots == kTimerHeads);

    static uint32_t headOf(int level, uint32_t slot) {
        return kFirstTimerHead + static_cast<uint32_t>(level) * kSlots + slot;
    }
    void put(uint32_t index, uint64_t due);
    bool isEmpty(int level, uint64_t slot) const { return (occupied_[level] >> slot & 1) == 0; }
    uint32_t takeFrom(uint32_t head);

    Entries* entries_ = nullptr;
    uint64_t occupied_[kLevels] = {};  // A bit for each slot that has an entry.
    uint64_t now_ = 0;                 // The tick that is being worked on. All before it is done.
    uint64_t count_ = 0;
};

}  // namespace daxkind::cache
