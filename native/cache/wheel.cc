#include "cache/wheel.h"

#include <algorithm>

namespace daxkind::cache {

void Wheel::put(uint32_t index, uint64_t due) {
    Entries& all = *entries_;
    // The highest level goes around once in 2^30 ticks.
    constexpr uint64_t kFarthest = (uint64_t{1} << kLevels * kBits) - 1;
    due = std::clamp(due, now_, now_ + kFarthest);
    int level = 0;
    while (due - now_ >= uint64_t{1} << kBits * (level + 1)) level++;
    const uint64_t slot = due >> kBits * level & (kSlots - 1);
    const uint32_t head = headOf(level, static_cast<uint32_t>(slot));
    occupied_[level] |= 1ull << slot;
    Entry& entry = all[index];
    entry.dueTick = static_cast<uint32_t>(due);
    entry.timerNext = head;
    entry.timerPrevious = all[head].timerPrevious;
    all[entry.timerPrevious].timerNext = index;
    all[head].timerPrevious = index;
    entry.add(kIsTimed);
    count_++;
}

void Wheel::remove(uint32_t index) {
    Entries& all = *entries_;
    Entry& entry = all[index];
    if (!entry.has(kIsTimed)) return;
    all[entry.timerPrevious].timerNext = entry.timerNext;
    all[entry.timerNext].timerPrevious = entry.timerPrevious;
    if (entry.timerNext == entry.timerPrevious && entry.timerNext < kFirstEntry) {
        const uint32_t slot = entry.timerNext - kFirstTimerHead;
        occupied_[slot / kSlots] &= ~(1ull << slot % kSlots);
    }
    entry.remove(kIsTimed);
    count_--;
}

uint32_t Wheel::takeFrom(uint32_t head) {
    const uint32_t index = (*entries_)[head].timerNext;
    if (index == head) return kNone;
    remove(index);
    return index;
}

uint32_t Wheel::takeDue(uint64_t now, int* looks) {
    while (now_ <= now && count_ > 0) {
        // A slot of a higher level begins: its entries go to the levels below. An entry whose tick is 32 bits short of
        // the truth is nearer than 2^30 ticks, so the upper bits are those of now_.
        for (int level = kLevels - 1; level > 0; level--) {
            if ((now_ & ((1ull << kBits * level) - 1)) != 0) continue;
            const uint64_t slot = now_ >> kBits * level & (kSlots - 1);
            while (!isEmpty(level, slot)) {
                if (--*looks < 0) return kNone;
                const uint32_t index = takeFrom(headOf(level, static_cast<uint32_t>(slot)));
                put(index, now_ + static_cast<uint32_t>((*entries_)[index].dueTick - static_cast<uint32_t>(now_)));
            }
        }
        if (--*looks < 0) return kNone;
        const uint32_t due = takeFrom(headOf(0, now_ & (kSlots - 1)));
        if (due != kNone) return due;
        // The lowest level is empty up to the next slot of the second: that is what next() sees, too.
        now_ = std::min(now + 1, std::max(now_ + 1, next().value_or(now + 1)));
    }
    if (count_ == 0) now_ = std::max(now_, now + 1);
    return kNone;
}

std::optional<uint64_t> Wheel::next() const {
    if (count_ == 0) return std::nullopt;
    uint64_t soonest = UINT64_MAX;
    for (int level = 0; level < kLevels; level++) {
        const int shift = kBits * level;
        const uint64_t current = now_ >> shift;
        // Slot `current` of a higher level has been divided if now_ is past its beginning. What is in it then is for
        // the next time around.
        const uint64_t from = level == 0 || (now_ & ((1ull << shift) - 1)) == 0 ? current : current + 1;
        const uint64_t occupied = occupied_[level];
        if (occupied == 0) continue;
        const auto start = static_cast<int>(from & (kSlots - 1));
        const uint64_t turned = start == 0 ? occupied : occupied >> start | occupied << (kSlots - start);
        soonest = std::min(soonest, (from + static_cast<uint64_t>(__builtin_ctzll(turned))) << shift);
    }
    return std::max(soonest, now_);
}

}  // namespace daxkind::cache
