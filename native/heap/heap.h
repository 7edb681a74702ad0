// The allocator: blocks of any size out of a region. Small blocks are slots of slabs, large blocks are runs of units.
// It is thread-safe. One lock is taken once for a batch of blocks, and each thread keeps the blocks that it uses often
// in its thread cache. All bookkeeping is in DRAM beside the region (see run_allocator.h). The memory that the heap
// hands out holds no part of it.
//
// The heap knows a block by its byte offset in the region. JavaScript knows it by its segment (offset >> 30) and its
// offset in the segment.
//
// What is always true while nobody holds the lock. The first six lines use the names of HeapStats. Cached blocks are
// summed over all thread caches of the heap.
//
//   active + free + unusable     == whole units of capacity      unusable: lost units in no slab and no run
//   allocated + cached           <= active
//   lost                         == unusable + retired slots     retired: out of use, because a page of it is lost
//   resident, committed          <= capacity                     resident: Region::resident()
//   highWater                    >= allocated + cached
//   largestFree                  <= free
//   slots of a slab              == free + taken + retired       free: its bit in the slab's descriptor is 1
//   free runs                    are never neighbours            they are coalesced when they are freed
//   units of a slab              <= one segment (1 GiB)          a run that fits into a segment crosses no border
//   top of a magazine            <= its limit, unless the limit was lowered since, or refill() has put a single block
//                                there for its caller
//   generation of a block        was never given before, and never will be again
//   a committed granule          has storage                     a store there cannot fail for want of room
//
// test/native/book.cc is a reference model. Tests compare the heap with it after random calls.
#pragma once

#include <array>
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

// Units of 1 KiB: a block above kMaxSlabSize loses 512 bytes on average.
constexpr uint32_t kLeastUnitShift = 10;

struct HeapOptions {
    // Whole free chunks are given back at once (memkind's MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE).
    bool conservative = false;
    // How long a chunk stays free before it is given back, unless the heap is conservative: memkind's dirty_decay_ms
    // for its default policy. Less than 2^31, because the clock wraps.
    uint32_t decayMs = 10'000;
    // log2 of the unit in bytes. 0: the capacity determines it.
    uint32_t unitShift = 0;
};

struct HeapStats {
    uint64_t capacity;     // Bytes that can ever be handed out.
    uint64_t committed;    // Bytes backed by storage now.
    uint64_t active;       // Bytes in slabs and runs that hold at least one block, caches included.
    uint64_t allocated;    // Bytes of blocks that callers hold, rounded up to their usable size.
    uint64_t blocks;       // Blocks that callers hold.
    uint64_t cached;       // Bytes of free blocks in thread caches and in quarantine.
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
    uint64_t cachedBlocks;  // Free blocks in thread caches and in quarantine.
    uint64_t cachedBytes;
};
// By class. The last is for all runs.
using ClassUses = std::array<ClassUse, kSlabClasses + 1>;

// What was in a place that is lost.
struct LostPlace {
    enum class Sort { kFree, kBlock, kReferenced, kRaw };
    Sort sort = Sort::kFree;
    // Where the block, or the free memory, is in the region, in bytes.
    uint64_t offset = 0;
    uint64_t length = 0;
    // Only of a referenced block.
    Reference reference = {};
    // Only of a block whose raw handle is out: the number of its place, and the handle's generation.
    uint64_t number = 0;
    uint16_t generation = 0;
    // The handle. `first` is the first of the numbers that the kind has for its handles (raw_numbers.h).
    uint64_t handle(uint64_t first) const { return first + (number << kRawGenerationBits) + generation; }
};

// The tables that JavaScript reads for raw handles. See places.h, slab_allocator.h and run_allocator.h for the layouts.
struct RawTables {
    // The part of a table that is in use, and room to grow.
    struct Table {
        void* data;
        uint64_t bytes;
    };
    Table unitMap;
    Table descriptors;
    Table states;
    Table classes;
    Table slabs;
    Table owners;          // Empty until another thread may join.
    uint64_t mostHandles;  // How many numbers the kind's handles need: one for each generation of each place.
};

class Heap {
  public:
    // 0 or -errno.
    int open(Region* region, const HeapOptions& options);

    // Adds a thread cache. 0; -ENOMEM; or -ENOENT if the heap has been closed.
    int attach(ThreadCache* cache);
    // Removes a thread cache and frees the blocks in it. Blocks that its owner still holds stay until abandon() is
    // called for the owner's number.
    void detach(ThreadCache* cache);
    // The owner has left. Frees its blocks that nobody can reach any more. A block stays if it has a shared reference,
    // if a raw handle of it is out, or if a finalizer frees it. The lock is held only for a moment at a time.
    // abandonSome() does a part of the work and returns whether that was the last part. The units before `upTo` are
    // done by then.
    void abandon(uint32_t owner);
    bool abandonSome(uint32_t owner, uint32_t* upTo = nullptr);
    // Closes the heap if nobody has a cache any more: then nobody can join. Returns whether it is closed.
    bool close();
    // Other threads may join from now on. Makes the tables that are needed only then. 0 or -ENOMEM.
    int expectOthers();
    // Says how other threads make the owner of the cache call serveReclaim(): they call `wake` under the heap's lock.
    void setWake(ThreadCache* cache, void (*wake)(void*), void* data);
    // From now on the owner's pressure word is set when callers and caches hold this many bytes.
    void watch(ThreadCache* cache, uint64_t bytes);

    // Puts at least one block of the class `code` into the empty magazine of the class. 0, -ENOMEM or the region's
    // error.
    int refill(ThreadCache* cache, uint32_t code);
    // Makes room in a magazine for a block of `code`. Half of the blocks of that code go back to the heap. A magazine
    // that holds runs of another length gives all of them back, and is for `code` from then on. 0, or -EINVAL if
    // something in the magazine was not a block.
    int drain(ThreadCache* cache, uint32_t code);
    // Gives back what the cache holds, because another thread needs it or because the cache has been in use for long.
    // Only the cache's own thread calls this.
    void serveReclaim(ThreadCache* cache);

    // Takes a run of `units` at an aligned address. 0, -ENOMEM or the region's error.
    int allocateRun(ThreadCache* cache, uint32_t units, uint64_t alignment, uint64_t* offset);
    // Shrinks or grows a run in its place. 0; -ENOMEM if the neighbour is taken; or the region's error.
    int resizeRun(ThreadCache* cache, uint64_t offset, uint32_t units);
    // Frees a block that is in no cache. -EINVAL if no block begins there.
    int free(ThreadCache* cache, uint64_t offset);
    // Takes a block of the same class in another slab that is as full or fuller. The caller moves the content.
    // -ENOENT if there is no such slab, or if the block is a run.
    int takeFuller(ThreadCache* cache, uint64_t offset, uint64_t* better);
    // Frees the block whose raw handle is out, and takes the handle back. `number` is the number of the block's place,
    // and `out` is the state of the place. The block may be another thread's. If `fill` is not negative, the block is
    // first filled with that byte. -EINVAL if the handle is not out.
    int freeRaw(ThreadCache* cache, uint64_t number, uint16_t out, int fill);

    // Gives a generation to a block that has none.
    uint64_t reference(uint64_t offset, uint64_t length, uint32_t redZone, ReferenceSort sort);
    // From now on all threads may know the block of that generation. -ESTALE if it has been freed.
    int share(uint64_t offset, uint64_t generation);
    // Gives the block of that generation a new one, which only the caller knows. -ESTALE if it has been freed.
    int conceal(uint64_t offset, uint64_t generation, uint64_t* concealed);
    // The block of that generation has another length from now on. -ESTALE if it has been freed.
    int relength(uint64_t offset, uint64_t generation, uint64_t length);
    // Tells the reference, the code and the units of the block of that generation. The code of any run is kRunCode,
    // because a long run has more units than a code has room for. -ESTALE if the block has been freed.
    int dereference(uint64_t offset, uint64_t generation, Reference* reference, uint32_t* code, uint32_t* units);
    // Takes the generation away from the block. -ESTALE if the block does not have that generation.
    int unreference(uint64_t offset, uint64_t generation);
    // Frees the block of that generation. -ESTALE if it has been freed before.
    int freeReferenced(ThreadCache* cache, uint64_t offset, uint64_t generation);

    // Says how the heap asks for calls of decay(). It calls `wake` under its lock: decay() is to be called in that many
    // milliseconds, and 0 means that it is urgent. No thread that allocates may call decay(), because it makes the
    // system calls that give storage back. `wake` says whether decay() will be called; if not, the heap asks again when
    // something is freed. Called once, before anybody has a cache.
    void setDecay(bool (*wake)(void*, uint32_t inMs), void* data);
    // Makes one step of giving back the chunks that have been free for long: one system call, without the lock. It is
    // to be called again in `nextInMs`. An urgent caller stops as soon as nothing is left to do at once.
    ScavengeStep decay(bool isUrgent = false);
    // Empties the cache before a purge. Unlike empty() it does not start decay, so that the purge gives back what
    // becomes free, and counts it.
    void gather(ThreadCache* cache);
    // Gives back all storage of free memory. Returns bytes.
    uint64_t purge(ThreadCache* cache);
    // Gives back to the heap what the cache holds.
    void empty(ThreadCache* cache);
    // Makes one step of a purge, after gather(): one system call for at most `most` bytes. Returns the bytes that went
    // back. 0: nothing is left.
    uint64_t purgeSome(uint64_t most);
    // Backs a part of the region with storage. 0; the region's error; or -EBUSY if other threads have had a claim to it
    // for about a second.
    int commit(uint64_t offset, uint64_t length);
    // A part of the region is lost. It is never handed out again. Returns what was there, except where no storage is:
    // such a place is whole again when storage is committed there. A block that somebody holds goes out of use when it
    // is freed.
    std::vector<LostPlace> lose(uint64_t offset, uint64_t length);
    // The ranges of a part of the region that may be touched: all that is not lost.
    std::vector<ByteRange> usable(uint64_t offset, uint64_t length);
    // A part of the region has been faulted in. If some of it had been purged meanwhile, the fault gave that storage
    // again: this gives it back.
    void dropStray(uint64_t offset, uint64_t length);
    // From now on only purge() gives storage back, whatever the policy is.
    void keepStorage();

    // In a conservative heap it first waits for storage that is on its way back, 15 ms at most.
    HeapStats stats();
    // Bytes in no block that a caller holds, wherever they are, without what is lost. It waits for nothing.
    uint64_t unheldBytes();
    // With `isWithoutCollected`, the blocks are without those that the garbage collector frees.
    ClassUses classUses(bool isWithoutCollected = false);
    // Bytes in blocks that the garbage collector frees, if callers and caches hold at least `taken` bytes. Otherwise 0.
    uint64_t collectable(uint64_t taken);
    // 0 or -errno (ENOMEM).
    int rawTables(RawTables* tables);
    // The cache's owner is about to let go. Returns whether it is the last. If several let go at the same time, exactly
    // one of them is.
    bool leave(ThreadCache* cache);
    // Whether anybody has a cache and is not about to let go.
    bool isHeld();
    uint32_t unitShift() const { return runs_.unitShift(); }

  private:
    int refillLocked(HeapLock& lock, ThreadCache* cache, uint32_t sizeClass);
    int drainLocked(ThreadCache* cache, uint32_t magazine, uint32_t count);
    int drainRunsLocked(ThreadCache* cache);
    // Makes room in the cache for a run of that many units.
    int drainRunsFor(ThreadCache* cache, uint32_t units);
    // From now on the code's magazine is for runs of that code. It must hold no blocks of another length.
    void assign(ThreadCache* cache, uint32_t code);
    int drainForRuns(ThreadCache* cache, uint32_t code);
    // Gives back everything in the cache, and the empty slabs that are kept.
    int drainAllLocked(ThreadCache* cache);
    int freeLocked(uint64_t offset);
    void loseUnits(uint32_t from, uint32_t to, std::vector<LostPlace>* places);
    // Dooms a block of that code: when it is freed, it must come to the heap and not to a thread cache.
    void doom(uint64_t offset, uint32_t code);
    // The doomed block there has been freed, or has another length now.
    void undoom(uint64_t offset);
    LostPlace placeOf(uint64_t offset, uint64_t length, uint64_t number);
    // The large run that the unit is in. `units` is 0 if the unit is in no large run.
    void largeRunAround(uint32_t unit, uint32_t* start, uint32_t* units) const;
    bool isCached(uint64_t offset, uint32_t code);
    // Where the block of a magazine's entry is. False if there is no such block.
    bool offsetOfEntry(const ThreadCache::Word* entry, uint64_t* offset) const;
    // Frees the block of a magazine's entry.
    int freeEntry(const ThreadCache::Word* entry);
    uint32_t ownerOfRun(uint32_t unit) const {
        return places_.owners.isOpen() ? places_.owners[numberOfUnit(unit)] : kFirstOwner;
    }
    // These two free what the owner holds there, unless somebody else can reach it. abandonSlab() returns how many
    // slots it has looked at.
    uint32_t abandonSlab(uint32_t slab, uint32_t owner);
    void abandonRun(uint32_t unit, uint32_t owner);
    // Removes the reference to the block there if nobody can know it. Returns whether the block has no reference now.
    bool forgetReference(uint64_t offset);
    // Brings memory back after an allocation has failed with `error`: from this cache, and from the caches of other
    // threads, which are asked and waited for a moment. False if nothing can have come back.
    bool reclaim(HeapLock& lock, ThreadCache* cache, int error);
    // Puts a few more runs of that length into the cache if it has lacked one before.
    void cacheRuns(ThreadCache* cache, uint32_t units);
    // Tags and books a run that has been taken. Returns where it begins, in bytes.
    uint64_t noteTakenRun(ThreadCache* cache, uint32_t start, uint32_t units);
    // Books bytes that have been taken out of slabs and runs.
    void noteTaken(ThreadCache* cache, uint64_t bytes);
    void noteFreed();
    // Asks for calls of decay() if there may be work for it.
    void startDecay();
    // The same. In a conservative heap the caller also waits for a moment until the storage has gone back.
    void settle(HeapLock& lock);
    // Waits for a moment until the storage that is to go back at once has gone. False if that takes longer.
    bool awaitDecay(HeapLock& lock);
    // Asks the owners of caches that have been in use for long to give everything back. Returns in how many
    // milliseconds to come again.
    uint32_t restCaches();
    // What is taken and cached. Blocks in quarantine are among the blocks.
    ClassUse classUseLocked(uint32_t code);
    ClassUses classUsesLocked();
    // Calls `visit` with the use of its class, and with its bytes, for each block that has such a reference.
    template <typename Visit>
    void eachReferenced(ReferenceSort sort, ClassUses* uses, Visit visit);
    bool isHeldLocked() const;
    // Whether callers hold no block: all that is taken is in thread caches.
    bool isUnused();
    // Brings a cache's limits up to date. They depend on how many caches are in use, and on whether memory is short.
    void adjust(ThreadCache* cache, uint32_t code);
    // The cache is not in use from now on, until its thread needs the heap again.
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
    uint32_t awakeCount_ = 0;  // How many of them may hold something.
    bool isConservative_ = false;
    uint32_t decayMs_ = 0;
    // How long a thread cache is in use before it is asked to give everything back. What it gives back then decays as
    // if it had been free for that long already.
    uint32_t restMs_ = 0;
    bool (*decayWake_)(void*, uint32_t inMs) = nullptr;
    void* decayData_ = nullptr;
    bool isDecaying_ = false;     // decay() will be called.
    bool isDecayUrgent_ = false;  // decay() will be called at once.
    uint32_t waitsInVain_ = 0;    // Waits in a row in which nothing went back; see kWaitsInVain.
    std::condition_variable decayed_;
    // The codes of all doomed blocks, by offset. Callers or thread caches hold these blocks.
    std::unordered_map<uint64_t, uint32_t> doomed_;
    uint32_t doomedIn_[kMagazines] = {};  // How many doomed blocks would go to each magazine.
    bool isClosed_ = false;
    bool failing_ = false;  // Some cache has a code marked as failed.
    // What callers and thread caches have taken out of slabs and runs.
    uint64_t takenBytes_ = 0;
    uint64_t takenRuns_ = 0;
    uint64_t takenRunBytes_ = 0;
    uint64_t highWater_ = 0;
};

}  // namespace daxkind
