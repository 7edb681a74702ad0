// The allocator: blocks of any size out of a region. Small blocks are slots of slabs, large blocks are runs of units.
// Thread-safe: one lock, taken once for a batch of blocks; threads keep what they use often in thread caches. All
// bookkeeping is in DRAM beside the region (see run_allocator.h), none in the memory that it hands out.
//
// A block is known by its byte offset in the region; to JavaScript by segment (offset >> 30) and the offset in it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "heap/owners.h"
#include "heap/places.h"
#include "heap/references.h"
#include "heap/run_allocator.h"
#include "heap/size_classes.h"
#include "heap/slab_allocator.h"
#include "heap/thread_cache.h"

namespace daxkind {

// 1 KiB loses 512 bytes of a block above kMaxSlabSize on average.
constexpr uint32_t kLeastUnitShift = 10;

struct HeapOptions {
    // Whole free chunks are given back at once (memkind's MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE).
    bool conservative = false;
    // How long a chunk is free before it is given back, if not at once. memkind's dirty_decay_ms for its default
    // policy. Less than 2^31, because the clock wraps.
    uint32_t decayMs = 10'000;
    // log2 of the unit in bytes; 0 chooses it by the capacity.
    uint32_t unitShift = 0;
};

struct HeapStats {
    uint64_t capacity;     // Bytes that can ever be handed out.
    uint64_t committed;    // Bytes backed by storage now.
    uint64_t active;       // Bytes in slabs and runs that hold at least one block, caches included.
    uint64_t allocated;    // Bytes of blocks that callers hold, rounded up to their usable size.
    uint64_t blocks;       // Blocks that callers hold.
    uint64_t cached;       // Bytes of free blocks in thread caches.
    uint64_t free;         // Bytes in no slab and no run.
    uint64_t largestFree;  // Bytes of the longest free run.
    uint64_t lost;         // Bytes that are out of use for good.
    uint64_t highWater;    // The most bytes that callers and thread caches ever held together.
};

// One size class, or all runs together.
struct ClassUse {
    uint64_t slabs;
    uint64_t slots;         // Blocks that the slabs have room for.
    uint64_t blocks;        // Blocks that callers hold.
    uint64_t bytes;         // Their usable sizes.
    uint64_t cachedBlocks;  // Free blocks in thread caches.
    uint64_t cachedBytes;
};

// What was in a lost place.
struct LostPlace {
    enum class Sort { kFree, kBlock, kReferenced, kRaw };
    Sort sort = Sort::kFree;
    // The block, in bytes of the region; or the free memory.
    uint64_t offset = 0;
    uint64_t length = 0;
    // Of a referenced block.
    Reference reference = {};
    // Of a block whose raw handle is out: the number of its place, and the generation.
    uint64_t number = 0;
    uint16_t generation = 0;
    // The handle, for who knows the first of the kind's.
    uint64_t handle(uint64_t first) const { return first + (number << kRawGenerationBits) + generation; }
};

// What JavaScript's raw handles look at: see places.h, slab_allocator.h and run_allocator.h for the layouts.
struct RawTables {
    // As much of it as is in use, and room to grow.
    struct Table {
        void* data;
        uint64_t bytes;
    };
    Table unitMap;
    Table descriptors;
    Table states;
    Table classes;
    Table slabs;
    Table owners;          // Empty while other threads are not expected.
    uint64_t mostHandles;  // How many numbers the kind's handles need: one for each generation of each place.
};

class Heap {
  public:
    // 0 or -errno.
    int open(Region* region, const HeapOptions& options);

    // A thread cache joins: 0, -ENOMEM, or -ENOENT if close() was before.
    int attach(ThreadCache* cache);
    // It leaves, and gives back what is free in it. What its owner still holds stays until abandon() is called for the
    // owner's number.
    void detach(ThreadCache* cache);
    // Nobody can reach the blocks any more that the owner, who has left, did not share: they are free. Blocks with a
    // shared reference stay, and those of which a raw handle is out, or that a finalizer frees. The lock is held for a
    // moment at a time only. abandonSome() does a part of it and says whether that was the last; all is done up to
    // the unit `upTo` then.
    void abandon(uint32_t owner);
    bool abandonSome(uint32_t owner, uint32_t* upTo = nullptr);
    // If nobody has a cache any more, nobody may join. Whether that is so.
    bool close();
    // Other threads may join from now on: makes the tables that only then are needed. 0 or -ENOMEM.
    int expectOthers();
    // How others make the owner of the cache call serveReclaim(): `wake`, under the heap's lock.
    void setWake(ThreadCache* cache, void (*wake)(void*), void* data);
    // The owner's pressure word is set when callers and caches hold so many bytes.
    void watch(ThreadCache* cache, uint64_t bytes);

    // Puts blocks of the class `code` into its empty magazine; at least one, or -ENOMEM or the region's error.
    int refill(ThreadCache* cache, uint32_t code);
    // Makes room in a full magazine for a block of `code`: gives half of a class's blocks back, or all runs of a
    // magazine (which from then on is for that code). 0, or -EINVAL when a block in it was not one.
    int drain(ThreadCache* cache, uint32_t code);
    // Another thread needs what the cache holds, or it has held it for long; called by the cache's own thread.
    void serveReclaim(ThreadCache* cache);

    // Takes a run of `units` at an aligned address. 0, -ENOMEM or the region's error.
    int allocateRun(ThreadCache* cache, uint32_t units, uint64_t alignment, uint64_t* offset);
    // Shrinks or grows a run where it is. 0, or -ENOMEM when its neighbour is taken, or the region's error.
    int resizeRun(ThreadCache* cache, uint64_t offset, uint32_t units);
    // Gives a block back that is in no cache. -EINVAL when there is none.
    int free(ThreadCache* cache, uint64_t offset);
    // Takes a block of the same class in another slab that is as full, or fuller; the content is the caller's to move.
    // -ENOENT when the block is in its best place already, or is a run.
    int takeFuller(ThreadCache* cache, uint64_t offset, uint64_t* better);
    // Takes back the raw handle of the place of that number, whose state is `out`, and frees its block, which may be
    // another thread's. The block is filled with the byte `fill` first, unless that is negative. -EINVAL if the handle
    // is not out.
    int freeRaw(ThreadCache* cache, uint64_t number, uint16_t out, int fill);

    // Gives a block that has none a generation.
    uint64_t reference(uint64_t offset, uint64_t length, uint32_t redZone, ReferenceSort sort);
    // All threads may know the block of that generation from now on. -ESTALE if it has been freed.
    int share(uint64_t offset, uint64_t generation);
    // Its generation is another one from now on, which nobody but the caller knows. -ESTALE if it has been freed.
    int conceal(uint64_t offset, uint64_t generation, uint64_t* concealed);
    // The block of that generation has another length now. -ESTALE if it has been freed.
    int relength(uint64_t offset, uint64_t generation, uint64_t length);
    // What the block of that generation is, and its code, whose units may be more than a code has room for.
    // -ESTALE if it has been freed.
    int dereference(uint64_t offset, uint64_t generation, Reference* reference, uint32_t* code, uint32_t* units);
    // The block of that generation has none any more. -ESTALE if it had not.
    int unreference(uint64_t offset, uint64_t generation);
    // Frees the block of that generation. -ESTALE if that was done already.
    int freeReferenced(ThreadCache* cache, uint64_t offset, uint64_t generation);

    // Storage goes back to the file system by whoever calls decay(), which is no thread that allocates: `wake` asks for
    // that, under the heap's lock, in so many milliseconds; 0: it is urgent. Called once, before anybody has a cache.
    void setDecay(void (*wake)(void*, uint32_t inMs), void* data);
    // One step of giving back the chunks that have been free for long: one system call, without the lock. To be called
    // again in `nextInMs`; what is urgent, no more once nothing is left to do at once.
    ScavengeStep decay(bool isUrgent = false);
    // As empty, before a purge: what becomes free by this is left for that, and counted there.
    void gather(ThreadCache* cache);
    // Gives back all that is free. Returns bytes.
    uint64_t purge(ThreadCache* cache);
    // Gives back to the heap what the cache holds.
    void empty(ThreadCache* cache);
    // As purge, once the cache is empty, by one system call for at most `most` bytes. Returns bytes; 0: that was all.
    uint64_t purgeSome(uint64_t most);
    // Backs a part of the region. 0 or the region's error, or -EBUSY.
    int commit(uint64_t offset, uint64_t length);
    // A part of the region is lost, and not to be handed out again. Tells what was there; nothing where no storage is:
    // it is got back with that. Blocks that somebody holds are out of use when they are freed.
    std::vector<LostPlace> lose(uint64_t offset, uint64_t length);
    // What of a part of the region may be touched: all but what is lost.
    std::vector<ByteRange> usable(uint64_t offset, uint64_t length);
    // A part of the region has been faulted in: gives back what was purged meanwhile, and has got storage again by
    // that.
    void dropStray(uint64_t offset, uint64_t length);
    // From now on storage goes back by purge() alone, whatever the policy.
    void keepStorage();

    HeapStats stats();
    // `code` is a class, or kRunCode for all runs.
    ClassUse classUse(uint32_t code);
    // Bytes in blocks that the garbage collector frees, if callers and caches hold at least `taken` bytes; else 0.
    uint64_t collectable(uint64_t taken);
    // Takes the blocks that the garbage collector frees out of the uses of all classes, and of all runs behind them.
    void subtractCollected(ClassUse* uses);
    // 0 or -errno (ENOMEM).
    int rawTables(RawTables* tables);
    // The cache's owner is about to let go. Whether it is the last: of several who let go at once, one is.
    bool leave(ThreadCache* cache);
    // Whether anybody has a cache, and is not about to let go.
    bool isHeld();
    uint32_t unitShift() const { return runs_.unitShift(); }

  private:
    int refillLocked(HeapLock& lock, ThreadCache* cache, uint32_t sizeClass);
    int drainLocked(ThreadCache* cache, uint32_t magazine, uint32_t count);
    int drainRunsLocked(ThreadCache* cache);
    // Makes room in the cache for a run of so many units.
    int drainRunsFor(ThreadCache* cache, uint32_t units);
    // The magazine, which has no blocks of another length, is for runs of that code from now on.
    void assign(ThreadCache* cache, uint32_t code);
    int drainForRuns(ThreadCache* cache, uint32_t code);
    // Gives everything in the cache back, and slabs that are kept empty.
    int drainAllLocked(ThreadCache* cache);
    int freeLocked(uint64_t offset);
    void loseUnits(uint32_t from, uint32_t to, std::vector<LostPlace>* places);
    // The block, of that code, is to come to the heap when it is freed.
    void doom(uint64_t offset, uint32_t code);
    // It has come, or is another one now.
    void undoom(uint64_t offset);
    LostPlace placeOf(uint64_t offset, uint64_t length, uint64_t number);
    // The large run that the unit is in; 0 units if it is in none.
    void largeRunAround(uint32_t unit, uint32_t* start, uint32_t* units) const;
    bool isCached(uint64_t offset, uint32_t code);
    // Where the block of a magazine's entry is. False if there is none.
    bool offsetOfEntry(const ThreadCache::Word* entry, uint64_t* offset) const;
    // Gives it back.
    int freeEntry(const ThreadCache::Word* entry);
    uint32_t ownerOfRun(uint32_t unit) const {
        return places_.owners.isOpen() ? places_.owners[numberOfUnit(unit)] : kFirstOwner;
    }
    // Free what the owner holds there, and nobody else can reach. How many slots have been looked at.
    uint32_t abandonSlab(uint32_t slab, uint32_t owner);
    void abandonRun(uint32_t unit, uint32_t owner);
    // Whether nobody knows a reference to the block there; then it has none any more.
    bool forgetReference(uint64_t offset);
    // Brings memory back for what has just failed: from this cache and from those of other threads, which are asked and
    // waited for a moment. False if nothing can have come back.
    bool reclaim(HeapLock& lock, ThreadCache* cache, int error);
    // Puts a few more runs of a length into the cache, which has been found empty of those again.
    void cacheRuns(ThreadCache* cache, uint32_t units);
    // Tags and books a run that has been taken. Where it begins, in bytes.
    uint64_t noteTakenRun(ThreadCache* cache, uint32_t start, uint32_t units);
    // Books bytes that have been taken out of slabs and runs.
    void noteTaken(ThreadCache* cache, uint64_t bytes);
    void noteFreed();
    // Sees to it that decay() is called when there is something to do for it.
    void startDecay();
    // The same; in a conservative heap the caller waits for a moment until it is done.
    void settle(HeapLock& lock);
    // Waits for a moment until what is urgent has gone back. False if that takes longer.
    bool awaitDecay(HeapLock& lock);
    // Asks the owners of the caches that have been in use for long to give everything back; when to come again.
    uint32_t restCaches();
    ClassUse classUseLocked(uint32_t code);
    bool isHeldLocked() const;
    // Whether callers hold nothing; what is taken is in thread caches.
    bool isUnused();
    // Brings a cache's limits up to date: they depend on how many caches are in use and on whether memory is short.
    void adjust(ThreadCache* cache, uint32_t code);
    // It holds nothing from now on, until its thread needs the heap again.
    void rest(ThreadCache* cache);
    void bypassCaches(ThreadCache* cache, uint32_t code);

    std::mutex mutex_;
    std::condition_variable reclaimServed_;
    Region* region_ = nullptr;
    RunAllocator runs_;
    Places places_;
    SlabAllocator slabs_;
    References references_;
    Owners owners_;
    uint64_t capacity_ = 0;
    ThreadCache* caches_ = nullptr;
    uint32_t awakeCount_ = 0;  // Of these, those that may hold something.
    bool isConservative_ = false;
    uint32_t decayMs_ = 0;
    // How long a thread cache is in use before it is asked to give everything back: what has not been used again since
    // then decays as if it had been free for so long.
    uint32_t restMs_ = 0;
    void (*decayWake_)(void*, uint32_t inMs) = nullptr;
    void* decayData_ = nullptr;
    bool isDecaying_ = false;     // decay() will be called.
    bool isDecayUrgent_ = false;  // And at once.
    uint32_t waitsInVain_ = 0;    // It does not get on; after some of these no free waits for it any more.
    std::condition_variable decayed_;
    // Blocks with a lost place that somebody holds, or has cached: their codes, by offset.
    std::unordered_map<uint64_t, uint32_t> doomed_;
    uint32_t doomedIn_[kMagazines] = {};  // How many of them, by the magazine that they would go to.
    bool isClosed_ = false;
    bool failing_ = false;  // Some cache has something marked as failed.
    // What has been taken out of slabs and runs: by callers, or by thread caches.
    uint64_t takenBytes_ = 0;
    uint64_t takenRuns_ = 0;
    uint64_t takenRunBytes_ = 0;
    uint64_t highWater_ = 0;
};

}  // namespace daxkind
