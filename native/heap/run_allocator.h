// The lower half of the heap: runs of consecutive units. They are cut out of the region, coalesced when they are freed,
// and committed only when they are first used. Slabs and large blocks are both runs.
//
// Who may call: anybody who holds the heap's lock. What it never does: it never reads or writes the region's memory,
// and never keeps a byte of its bookkeeping there.
//
// Lost units are never handed out again. Those that are free are taken at once. The others are taken when they are
// given back. The rest of the allocator is not told: to it, lost units are units that somebody holds.
//
// The unit map holds four bytes for each unit:
//   free run    its first and last unit: kFree and the index of its FreeRun
//   large run   its first unit: kLarge and its length
//   slab        every unit: kSlab and the index of the slab's descriptor
//   all others  0. Every change of state clears what it had set, so that a stray offset is recognised as such.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>
#include <unordered_map>
#include <vector>

#include "heap/commit_map.h"
#include "heap/shared_word.h"
#include "region/region.h"
#include "syscalls/lazy_array.h"

namespace daxkind {

// log2 of the length of a segment, 1 GiB. A Buffer is a view of a segment's ArrayBuffer, so no run that fits into a
// segment crosses the border of one. An offset in a segment is a small integer to V8.
constexpr uint32_t kSegmentShift = 30;

class RunAllocator {
  public:
    static constexpr uint32_t kNone = UINT32_MAX;
    // The tags of the unit map that JavaScript knows, too.
    static constexpr uint32_t kTagShift = 30;
    static constexpr uint32_t kLarge = 2u << kTagShift;
    static constexpr uint32_t kSlab = 3u << kTagShift;

    // Takes the whole region. 0 or -errno.
    int open(Region* region, uint32_t unitShift);

    // Finds, takes and commits a run. `alignment` is a power of two in bytes. The address is aligned, not the offset.
    // 0; -ENOMEM if no run is long enough; the region's error if the file system has no room; or -EBUSY if the storage
    // of all free memory that would do has been on its way back for about a second.
    int allocate(HeapLock& lock, uint32_t units, uint64_t alignment, uint32_t* start);
    // The same without a call of the region. False if the run that fits best is not committed.
    bool takeIfCommitted(uint32_t units, uint32_t* start);
    // Whether allocate() knew its last failure without trying, because nothing has been freed since an earlier one.
    bool knewFailure() const { return knewFailure_; }
    // Gives a run back, except its lost units. The caller has taken the run's tag out of the unit map.
    void release(uint32_t start, uint32_t units);

    // Backs a part of the region, like CommitMap::commit(). Units that turn out to be bad are lost.
    int commitBytes(HeapLock& lock, ByteRange range);
    // These units are lost: they are not to be used any more. Calls wasFree(start, units) for each part of them that
    // was free.
    template <typename WasFree>
    void lose(uint32_t start, uint32_t units, WasFree wasFree);
    bool hasLost() const { return !lost_.empty(); }
    bool isLost(uint32_t start, uint32_t units) const;
    // Appends the parts of [start, end) that are not lost, in order and each as long as it can be.
    void addUsable(uint64_t start, uint64_t end, std::vector<ByteRange>* parts) const;
    // How many lost units are in no slab and no run.
    uint64_t unusableUnits() const { return unusableUnits_; }

    // A large run is tagged with its length. largeUnits() gives that length, or 0 if no large run begins at `unit`.
    void tagLarge(uint32_t unit, uint32_t units) { map_[unit] = kLarge | units; }
    uint32_t largeUnits(uint32_t unit) const;
    // Whether the unit map has anything for the unit.
    bool hasTag(uint32_t unit) const { return map_[unit] != 0; }
    // Takes the tag out and gives the run back. False if no large run begins there.
    bool releaseLarge(uint32_t unit);
    // Makes a large run shorter, or longer if its neighbour is free. 0; -ENOMEM; -EBUSY as CommitMap::commit(); or the
    // region's error.
    int resizeLarge(HeapLock& lock, uint32_t unit, uint32_t units);

    void tagSlab(uint32_t unit, uint32_t units, uint32_t slab);
    void clearTags(uint32_t unit, uint32_t units);
    // The index of the descriptor of the slab that `unit` belongs to, or kNone.
    uint32_t slabAt(uint32_t unit) const;
    // The first unit behind the free run that begins or ends with `unit`. `unit` itself if there is no such run.
    uint32_t endOfFree(uint32_t unit) const;
    // The unit that a walk over all units has come to. A walk is known by a number and begins at unit 0. The lock may
    // be let go of between its steps. If memory around the walk's unit is taken or freed meanwhile, the walk moves to
    // the end of that memory, so that it never stands in the middle of a run.
    uint32_t& walk(uint32_t number) { return walks_[number]; }
    void endWalk(uint32_t number) { walks_.erase(number); }

    // Which parts of the region have storage; see commit_map.h.
    CommitMap& storage() { return storage_; }
    // Gives back the storage of free memory, in whole commit granules, by one system call for at most `most` bytes.
    // Returns bytes. 0: nothing is left that could be given back.
    uint64_t purge(HeapLock& lock, uint64_t most);
    // Memory that is freed from now on has not been used for that long already.
    void setIdle(uint32_t ms) { idleMs_ = ms; }
    syscalls::LazyArray<SharedWord<uint32_t>>& unitMap() { return map_; }

    uint32_t unitShift() const { return unitShift_; }
    uint32_t totalUnits() const { return totalUnits_; }
    uint64_t freeUnits() const { return freeUnits_; }
    // Length in units of the longest free run. The file system may have no room for it.
    uint32_t longestFree() const;

  private:
    // The first lost range that ends behind `unit`.
    std::map<uint32_t, uint32_t>::const_iterator lostFrom(uint32_t unit) const {
        const auto behind = lost_.upper_bound(unit);
        if (behind == lost_.begin()) return behind;
        const auto before = std::prev(behind);
        return before->second > unit ? before : behind;
    }
    static constexpr uint32_t kTagMask = 3u << kTagShift;
    static constexpr uint32_t kFree = 1u << kTagShift;
    static constexpr uint32_t kExactBins = 64;
    // A bin for each length from 1 to 64 units, then eight bins for each doubling up to 2^30 units.
    static constexpr uint32_t kBins = kExactBins + 8 * 24;
    static_assert(kBins % 64 == 0);

    struct FreeRun {
        uint32_t start;
        uint32_t units;     // 0: it is unused.
        uint32_t previous;  // In the bin's list, or kNone.
        uint32_t next;      // In the bin's list, or in the list of unused FreeRuns.
    };
    // What the unit map says. 0 if there is no such unit.
    uint32_t entryAt(uint32_t unit) const {
        if (unit >= totalUnits_) return 0;
        return map_[unit];
    }
    static uint32_t binOf(uint32_t units);
    bool place(const FreeRun& run, uint32_t units, uint64_t alignment, uint32_t* start) const;
    uint32_t find(uint32_t units, uint64_t alignment, uint32_t* start) const;
    uint32_t findCommitted(uint32_t units, uint64_t alignment, uint32_t* start) const;
    void take(uint32_t index, uint32_t start, uint32_t units);
    int takeAndCommit(HeapLock& lock, uint32_t units, uint64_t alignment, uint32_t* start);
    bool takeCommitted(uint32_t units, uint64_t alignment, uint32_t* start);
    ByteRange bytes(uint64_t start, uint64_t units) const {
        return {start << unitShift_, (start + units) << unitShift_};
    }
    void releaseWhole(uint32_t start, uint32_t units);
    // The free run that has the unit, or kNone: then `next` is where the next free run begins. Looks at all free runs.
    uint32_t freeRunAt(uint32_t unit, uint32_t* next) const;
    void addLost(uint32_t start, uint32_t end);
    void addFree(uint32_t start, uint32_t units);
    void moveWalks(uint32_t start, uint32_t units);
    void removeFree(uint32_t index);

    Region* region_ = nullptr;
    uint32_t unitShift_ = 0;
    uint32_t totalUnits_ = 0;
    uint64_t freeUnits_ = 0;
    uint32_t purgeAt_ = 0;  // The index of the FreeRun where purge() goes on.
    uint32_t idleMs_ = 0;

    // The file system has no room for runs of that many units or more, and no free memory of that length is committed.
    // That is true until something is freed, and for kFullMs at most.
    uint32_t fullUnits_ = UINT32_MAX;
    uint32_t fullSince_ = 0;
    int fullError_ = 0;
    bool knewFailure_ = false;

    CommitMap storage_;
    syscalls::LazyArray<SharedWord<uint32_t>> map_;
    syscalls::LazyArray<FreeRun> runs_;
    uint32_t runsMade_ = 0;
    std::unordered_map<uint32_t, uint32_t> walks_;
    std::map<uint32_t, uint32_t> lost_;  // Ranges of units: the first, and the one behind the last. No two touch.
    uint64_t unusableUnits_ = 0;
    uint32_t unusedRuns_ = kNone;
    uint32_t bins_[kBins];
    uint64_t binsInUse_[kBins / 64];
};

template <typename WasFree>
void RunAllocator::lose(uint32_t start, uint32_t units, WasFree wasFree) {
    const uint32_t end = start + units;
    for (uint32_t unit = start; unit < end;) {
        const auto next = lostFrom(unit);
        if (next != lost_.end() && next->first <= unit) {
            unit = next->second;
            continue;
        }
        // The units up to `to` are either all free or all in use.
        uint32_t nextFree;
        const uint32_t index = freeRunAt(unit, &nextFree);
        const uint32_t limit = index == kNone ? nextFree : runs_[index].start + runs_[index].units;
        const uint32_t to = std::min({end, limit, next == lost_.end() ? end : next->first});
        if (index != kNone) {
            take(index, unit, to - unit);
            unusableUnits_ += to - unit;
            wasFree(unit, to - unit);
        }
        addLost(unit, to);
        unit = to;
    }
}

}  // namespace daxkind
