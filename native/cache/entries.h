// What a cache keeps in DRAM for each of its entries: 40 bytes. An entry is known by its index. The memory of an entry
// never moves, and an unused entry is in a list of unused ones.
//
// Entries are linked in three ways: in the bucket of their hash, in a queue of the eviction policy, and in a slot of
// the timer wheel. Queues and slots are circular lists through a head, which is an entry without content. So an entry
// can be unlinked without knowing what list it is in.
//
// Who may read and write: the links of queues and timers belong to whoever holds the policy's lock (cache.h). `next`,
// `pins` and the rest belong to whoever holds the lock of the entry's stripe. `state` is atomic, because the policy
// looks at it without the stripe's lock.
#pragma once

#include <atomic>
#include <cstdint>

#include "heap/size_classes.h"
#include "heap/thread_cache.h"
#include "syscalls/lazy_array.h"

namespace daxkind::cache {

// No entry.
constexpr uint32_t kNone = 0;
// The heads of lists: those of the queues, and those of the timer wheel.
constexpr uint32_t kSmallHead = 1;
constexpr uint32_t kMainHead = 2;
constexpr uint32_t kClearedHead = 3;
constexpr uint32_t kFirstTimerHead = 4;
constexpr uint32_t kTimerHeads = 320;
constexpr uint32_t kFirstEntry = kFirstTimerHead + kTimerHeads;

// Bits of the state.
constexpr uint8_t kUses = 3;            // How often it was used since the policy looked, 3 at most.
constexpr uint8_t kIsInMain = 1 << 2;   // In the policy's main queue, else in the small one.
constexpr uint8_t kIsRemoved = 1 << 3;  // In no bucket, queue and slot. It lives until its last pin has gone.
constexpr uint8_t kIsTimed = 1 << 4;    // In a slot of the timer wheel.
constexpr int kEraShift = 5;            // The upper three bits are the era it is of: see Cache::clear().
constexpr uint8_t kEras = 8;

struct Entry {
    uint32_t next;  // The next entry of the bucket, or of the unused ones.
    uint32_t hash;
    uint32_t newer;  // In the queue.
    uint32_t older;
    uint32_t timerNext;
    uint32_t timerPrevious;
    uint32_t dueTick;
    uint32_t code;      // The code of its block (heap/thread_cache.h), which tells how long the block is.
    uint32_t placeLow;  // Where its block is in the region, in units of kSizeQuantum.
    uint16_t pins;
    uint8_t placeHigh;
    std::atomic<uint8_t> state;

    uint64_t place() const { return uint64_t{placeHigh} << 32 | placeLow; }
    void setPlace(uint64_t place) {
        placeLow = static_cast<uint32_t>(place);
        placeHigh = static_cast<uint8_t>(place >> 32);
    }
    // How many bytes its block has. `unitShift` is that of the heap.
    uint64_t bytes(uint32_t unitShift) const { return bytesOfCode(code, unitShift); }
    static uint64_t bytesOfCode(uint32_t code, uint32_t unitShift) {
        return code < kRunCode ? classSize(code) : uint64_t{unitsOf(code)} << unitShift;
    }
    uint8_t era() const { return state.load(std::memory_order_relaxed) >> kEraShift; }
    bool has(uint8_t bits) const { return (state.load(std::memory_order_relaxed) & bits) != 0; }
    void add(int bits) { state.fetch_or(static_cast<uint8_t>(bits), std::memory_order_relaxed); }
    void remove(uint8_t bits) { state.fetch_and(static_cast<uint8_t>(~bits), std::memory_order_relaxed); }
    uint8_t uses() const { return state.load(std::memory_order_relaxed) & kUses; }
    // The entry was used. Called under the lock of its stripe, so that only the policy changes the bits beside it.
    void noteUse() {
        if (uses() < kUses) state.fetch_add(1, std::memory_order_relaxed);
    }
};
static_assert(sizeof(Entry) == 40);

// The most blocks that an entry can name: 40 bits of kSizeQuantum are 16 TiB.
constexpr uint64_t kMostPlaces = 1ull << 40;
constexpr uint32_t kMostPins = UINT16_MAX;

class Entries {
  public:
    // Makes room for `most` entries. 0 or -errno (ENOMEM); then it may be called again.
    int open(uint64_t most) {
        entries_.close();
        const int error = entries_.reserve(kFirstEntry + most);
        if (error != 0) return error;
        end_ = static_cast<uint32_t>(kFirstEntry + most);
        for (uint32_t head = 0; head < kFirstEntry; head++) {
            Entry& at = entries_[head];
            at.newer = at.older = at.timerNext = at.timerPrevious = head;
        }
        return 0;
    }

    Entry& operator[](uint32_t index) { return entries_[index]; }
    const Entry& operator[](uint32_t index) const { return entries_[index]; }

    // An unused entry, or kNone. Called under the policy's lock.
    uint32_t take() {
        if (unused_ != kNone) {
            const uint32_t index = unused_;
            unused_ = entries_[index].next;
            return index;
        }
        return used_ < end_ ? used_++ : kNone;
    }
    void giveBack(uint32_t index) {
        entries_[index].next = unused_;
        unused_ = index;
    }
    // Bytes of DRAM that entries take, used or not.
    uint64_t bytes() const { return uint64_t{used_} * sizeof(Entry); }

  private:
    syscalls::LazyArray<Entry> entries_;
    uint32_t used_ = kFirstEntry;
    uint32_t end_ = kFirstEntry;
    uint32_t unused_ = kNone;
};

}  // namespace daxkind::cache
