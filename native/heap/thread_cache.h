// The thread cache: free blocks that one thread of one kind may take and give back without a native call.
//
// It is a piece of native memory that JavaScript sees as one Int32Array. JavaScript itself pops and pushes blocks.
// Native code refills and drains the cache, and empties it for good when the thread ends. The slabs and runs book a
// block in a cache as taken. The statistics count it as free.
//
// A block's code says what the block is and where it goes. Its low bits are the number of the block's magazine. Its
// other bits are the block's length in units, or 0 for a block of a size class. Each class has a magazine, and the code
// of the class is its index. Runs share kRunMagazines magazines by the low bits of their length. The code of such a
// magazine says which length it holds now.
//
// A cache reserves 132 KiB and touches little of that: a page for the words behind the magazines, and the pages of the
// magazines that have been used. A magazine begins as zeros. That means no block and no room, so its first use is a
// call of native code.
//
// Who may write: the owning thread, from JavaScript; native code that this thread calls, under the heap's lock; and
// native code at the thread's end. The owner of the thread cache of a PmemCache is whoever holds the lock beside it.
// Other threads read the counts for statistics, clear the marks of what has failed, set the limits of single magazines
// whose blocks are lost, and set all limits to 0 when memory has run out. They do that under the heap's lock.
#pragma once

#include <bitset>
#include <cstdint>

#include "heap/owners.h"
#include "heap/shared_word.h"
#include "heap/size_classes.h"
#include "syscalls/lazy_array.h"

namespace daxkind {

// The number of the first magazine of runs. Every code of a run is greater.
constexpr uint32_t kRunCode = 64;
constexpr uint32_t kRunMagazines = 64;
constexpr uint32_t kMagazines = kRunCode + kRunMagazines;
constexpr uint32_t kUnitsShift = 7;
static_assert(kSlabClasses <= kRunCode && kMagazines == 1u << kUnitsShift);

// A magazine has kMagazineWords words: the top, the limit, two words for each block, and the code in the last word. The
// top is twice the number of blocks: the newest block is at word `top` of the magazine. The limit is the most that the
// top may be. A block's two words are its segment and its offset in the segment. In a magazine of a class they may also
// be kByNumber and the number of the block's place (places.h): freeRaw leaves a block there in that form for mallocRaw,
// so that neither has to look up where the block is.
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
constexpr uint32_t kCachedUnitsLimitWord = kHeaderWord + 1;  // The most that kCachedUnitsWord may be.
constexpr uint32_t kResultSegmentWord = kHeaderWord + 2;     // Where a native call puts the block that it returns.
constexpr uint32_t kResultOffsetWord = kHeaderWord + 3;
// What has failed for want of memory since memory last came back. The thread need not ask the heap for it again. Two
// words have one bit for each class. The third is the length in units from which on runs fail.
constexpr uint32_t kFailedClassesWord = kHeaderWord + 4;
constexpr uint32_t kFailedUnitsWord = kHeaderWord + 6;
constexpr uint32_t kPressureWord = kHeaderWord + 7;  // Set to 1 when the heap's fill passes the cache's threshold.
// 1 while the block in the result words has been taken for a caller who has not got it yet. JavaScript clears the word
// when nothing can fail any more. If it is still 1 at the next such call, the block was given up on the way, and that
// call frees it.
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

    // Sets how much the cache may hold, by its share of the kind in bytes. 0: it may hold nothing.
    void setLimits(uint64_t share, uint32_t unitShift);
    // Writes the code and the limit of a magazine at its first use. To be called under the heap's lock, before the
    // magazine is filled or emptied.
    void use(uint32_t index);
    // How many blocks are in a magazine. Called under the heap's lock; the owner may pop and push meanwhile. Does not
    // touch the pages of a magazine that was never used.
    uint32_t blocks(uint32_t index) const;
    // The length in units of each run in a magazine of runs that has been used.
    uint32_t unitsIn(uint32_t index) const {
        return unitsOf(static_cast<uint32_t>(words_[(size_t{index} << kMagazineShift) + kMagazineCode]));
    }
    // Units of all runs in a magazine; like blocks().
    uint32_t cachedUnits(uint32_t index) const;

    using Word = SharedWord<int32_t>;
    Word* words() { return words_.data(); }
    Word* magazine(uint32_t index) { return &words_[static_cast<size_t>(index) << kMagazineShift]; }
    // The two words of a block in a magazine. Block 0 has been there for longest.
    Word* entry(uint32_t index, uint32_t block) { return magazine(index) + kMagazineEntries + size_t{2} * block; }
    Word& word(uint32_t index) { return words_[index]; }

    // Takes the newest block of a code out, and puts a block in, as JavaScript does. For native code that owns a cache.
    // No number of a place may be in it. False if there is no such block, or no room.
    bool pop(uint32_t code, uint64_t* offset);
    bool push(uint32_t code, uint64_t offset);
    // Writes where a block is into an entry.
    static void setEntry(Word* entry, uint64_t offset);

    // Notes that the magazine was found empty. Returns whether that happened before, since forgetMisses(): then the
    // thread will need more.
    bool noteMiss(uint32_t index);
    void forgetMisses() { isMissed_.reset(); }
    // A barred magazine has no room, so that blocks that are freed come to the heap.
    void bar(uint32_t index, bool isBarred);
    bool isBarred(uint32_t index) const { return isBarred_[index]; }
    // Marks a code as failed. forgetFailures() clears all such marks.
    void fail(uint32_t code);
    void forgetFailures();

    // Only the heap uses what follows, under its lock.
    ThreadCache* next = nullptr;  // In the heap's list of all caches.
    uint32_t owner = kNobody;     // The number by which the heap knows this thread as an owner.
    uint32_t limitsFor = 0;       // The number of caches in use that the limits are for.
    bool isBypassed = false;      // Its limits are 0, because the heap ran out of memory.
    // Other threads may ask the owner to give back what the cache holds. `wake` makes the owner call
    // Heap::serveReclaim() soon.
    void (*wake)(void*) = nullptr;
    void* wakeData = nullptr;
    bool isReclaimRequested = false;
    // The owner frees blocks itself when memory has run out, before other threads are asked for theirs.
    bool helpsItself = false;
    // Whether the cache is in use, so that it may hold something, and since when (coarseMs()).
    bool isAwake = false;
    uint32_t awakeSince = 0;
    bool isToRest = false;   // The owner is asked to give everything back, because the cache has been awake for long.
    bool isLeaving = false;  // The owner has said that it lets go.
    // The owner wants to know when this many bytes are taken out of the heap; and whether it has been told.
    uint64_t pressureBytes = UINT64_MAX;
    bool isPressed = false;

  private:
    // The limit of a magazine of a class. 0 for a magazine of runs, which gets its limit from Heap::assign().
    int32_t limitOf(uint32_t index) const;

    syscalls::LazyArray<Word> words_;
    std::bitset<kMagazines> isUsed_;
    std::bitset<kMagazines> isMissed_;
    std::bitset<kMagazines> isBarred_;
    uint64_t share_ = 0;  // The last argument of setLimits().
};

}  // namespace daxkind
