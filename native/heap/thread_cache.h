// The thread cache: free blocks that one thread of one kind may take and give back without a native call.
//
// It is a piece of native memory that JavaScript sees as one Int32Array and pops and pushes itself; native code fills
// it, empties it in batches, and empties it for good when the thread ends. It belongs to the heap's side of the fence:
// a block in a cache is taken as far as the slabs and runs know, and free as far as the statistics and the user do.
//
// A block's code says what it is and where it goes: its low bits are the number of its magazine, the others its length
// in units, or 0 for a block of a size class. Classes have a magazine each, and their code is the index of the class;
// runs share kRunMagazines by the low bits of their length, and the magazine's code says for which length it holds
// blocks now.
//
// It reserves 132 KiB and touches little of that: a page for the words behind the magazines, and the pages of the
// magazines that have been used. A magazine begins as zeros: it has no block and no room, so that its first use is a
// call of native code.
//
// Who may write: the owning thread from JavaScript; native code called by that thread, under the heap's lock; native
// code at the thread's end. Other threads only read the counts, for statistics, clear what is marked
// as failed, and set limits to 0 when memory has run out.
#pragma once

#include <bitset>
#include <cstdint>

#include "heap/owners.h"
#include "heap/shared_word.h"
#include "heap/size_classes.h"
#include "syscalls/lazy_array.h"

namespace daxkind {

// The number of the first magazine of runs; every code of a run is greater.
constexpr uint32_t kRunCode = 64;
constexpr uint32_t kRunMagazines = 64;
constexpr uint32_t kMagazines = kRunCode + kRunMagazines;
constexpr uint32_t kUnitsShift = 7;
static_assert(kSlabClasses <= kRunCode && kMagazines == 1u << kUnitsShift);

// A magazine is kMagazineWords words: top, limit, then two for each block, and in the last word the code. Top is twice
// the number of blocks: the newest is at word `top` of the magazine. Limit is the most that top may be. A block's two
// words are its segment and its offset in that; or, in a magazine of a class, kByNumber and the number of its place
// (places.h): so it is left there by freeRaw, for mallocRaw, and neither has to look up where the block is.
constexpr uint32_t kMagazineShift = 8;
constexpr uint32_t kMagazineWords = 1u << kMagazineShift;
constexpr uint32_t kMagazineTop = 0;
constexpr uint32_t kMagazineLimit = 1;
constexpr uint32_t kMagazineEntries = 2;
constexpr uint32_t kMagazineCode = kMagazineWords - 1;
constexpr uint32_t kMostEntries = (kMagazineCode - kMagazineEntries) / 2;
constexpr int32_t kByNumber = -1;

// Words behind the last magazine.
constexpr uint32_t kHeaderWord = kMagazines << kMagazineShift;
constexpr uint32_t kCachedUnitsWord = kHeaderWord;           // Units of all runs in the cache.
constexpr uint32_t kCachedUnitsLimitWord = kHeaderWord + 1;  // The cache is emptied of runs before it holds more.
constexpr uint32_t kResultSegmentWord = kHeaderWord + 2;     // Where a native call puts the block that it returns.
constexpr uint32_t kResultOffsetWord = kHeaderWord + 3;
// What has failed for want of memory since memory last came back, so that it need not be asked for again: one bit for
// each class in two words, and the length in units from which on runs fail.
constexpr uint32_t kFailedClassesWord = kHeaderWord + 4;
constexpr uint32_t kFailedUnitsWord = kHeaderWord + 6;
constexpr uint32_t kPressureWord = kHeaderWord + 7;  // Set to 1 when the heap's fill passes the cache's threshold.
// 1 while the block in the result words has been taken for a caller who has not got it yet. JavaScript clears it when
// nothing can fail any more; what is still pending at the next such call was given up on the way, and is freed.
constexpr uint32_t kResultPendingWord = kHeaderWord + 8;
constexpr uint32_t kCacheWords = kHeaderWord + 16;

constexpr uint32_t magazineOf(uint32_t code) {
    return code & ((1u << kUnitsShift) - 1);
}
constexpr uint32_t unitsOf(uint32_t code) {
    return code >> kUnitsShift;
}
// Longer runs have no code, and are never cached.
constexpr bool hasCode(uint64_t units) {
    return units < 1u << (31 - kUnitsShift);
}
constexpr uint32_t codeOfRun(uint32_t units) {
    return units << kUnitsShift | kRunCode | (units & (kRunMagazines - 1));
}

class ThreadCache {
  public:
    // 0 or -errno.
    int open();

    // Sets how much it may hold, by its share of the kind in bytes. 0: nothing.
    void setLimits(uint64_t share, uint32_t unitShift);
    // Writes the code and the limit of a magazine at its first use. To be called before it is filled or emptied, under
    // the heap's lock.
    void use(uint32_t index);
    // Blocks in a magazine, under the heap's lock. The owner may pop and push meanwhile. The pages of a magazine that
    // was never used are not touched.
    uint32_t blocks(uint32_t index) const;
    // Units of each run in a magazine of those, which has been used.
    uint32_t unitsIn(uint32_t index) const {
        return unitsOf(static_cast<uint32_t>(words_[(size_t{index} << kMagazineShift) + kMagazineCode]));
    }
    // Units of all runs in it; as blocks().
    uint32_t cachedUnits(uint32_t index) const;

    using Word = SharedWord<int32_t>;
    Word* words() { return words_.data(); }
    Word* magazine(uint32_t index) { return &words_[static_cast<size_t>(index) << kMagazineShift]; }
    // The two words of a block in a magazine; block 0 has been there for longest.
    Word* entry(uint32_t index, uint32_t block) { return magazine(index) + kMagazineEntries + size_t{2} * block; }
    Word& word(uint32_t index) { return words_[index]; }

    // Whether the magazine has been found empty before, since forgetMisses(): more will be needed.
    bool noteMiss(uint32_t index);
    void forgetMisses() { isMissed_.reset(); }
    // A magazine that is barred has no room, so that what is freed comes to the heap.
    void bar(uint32_t index, bool isBarred);
    bool isBarred(uint32_t index) const { return isBarred_[index]; }
    // Marks a code as failed; forgets all that are marked.
    void fail(uint32_t code);
    void forgetFailures();

    // Below: the heap's, under its lock.
    ThreadCache* next = nullptr;  // Of the heap's list of all caches.
    uint32_t owner = kNobody;     // By which number the heap knows whose blocks are this thread's.
    uint32_t limitsFor = 0;       // The number of caches in use that the limits are for.
    bool isBypassed = false;      // Its limits are 0, because the heap ran out of memory.
    // Other threads may ask the owner to give back what the cache holds: `wake` makes it call Heap::serveReclaim()
    // soon.
    void (*wake)(void*) = nullptr;
    void* wakeData = nullptr;
    bool isReclaimRequested = false;
    // Its limits are not 0, and it may hold something; since when.
    bool isAwake = false;
    uint32_t awakeSince = 0;
    bool isToRest = false;   // The owner is asked to give everything back, because that has been so for long.
    bool isLeaving = false;  // Its owner has said that it lets go.
    // Bytes taken out of the heap from which on the owner wants to know, and whether it has been told.
    uint64_t pressureBytes = UINT64_MAX;
    bool isPressed = false;

  private:
    // The most that the top of a magazine may be before it has been drained for runs of some length.
    int32_t limitOf(uint32_t index) const;

    syscalls::LazyArray<Word> words_;
    std::bitset<kMagazines> isUsed_;
    std::bitset<kMagazines> isMissed_;
    std::bitset<kMagazines> isBarred_;
    uint64_t share_ = 0;  // As setLimits() was last told.
};

}  // namespace daxkind
