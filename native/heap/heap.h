// The allocator: blocks of any size out of a region. Small blocks are slots of slabs, one bitmap each; large blocks are
// runs of units. Thread-safe: one lock, taken once for a batch of blocks; threads keep what they use often in thread
// caches. All bookkeeping is in DRAM beside the region (see run_allocator.h), none in the memory that it hands out.
//
// A block is known by its byte offset in the region; to JavaScript by segment (offset >> 30) and the offset in it.
#pragma once

#include <cstdint>
#include <mutex>

#include "heap/run_allocator.h"
#include "heap/size_classes.h"
#include "heap/thread_cache.h"

namespace daxkind {

struct HeapOptions {
    // Whole free chunks are given back as they appear (memkind's MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE).
    bool conservative = false;
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
};

class Heap {
  public:
    // 0 or -errno.
    int open(Region* region, const HeapOptions& options);

    // A thread cache joins and leaves; leaving gives its blocks back.
    void attach(ThreadCache* cache);
    void detach(ThreadCache* cache);

    // Puts blocks of the class `code` into its empty magazine; at least one, or -ENOMEM or the region's error.
    int refill(ThreadCache* cache, uint32_t code);
    // Makes room in a full magazine for a block of `code`: gives half of a class's blocks back, or all runs of a
    // magazine (which from then on is for that code). 0, or -EINVAL when a block in it was not one.
    int flush(ThreadCache* cache, uint32_t code);

    // Takes a run of `units` at an aligned address. 0, -ENOMEM or the region's error.
    int allocateRun(ThreadCache* cache, uint32_t units, uint64_t alignment, uint64_t* offset);
    int freeRun(ThreadCache* cache, uint64_t offset);
    // Shrinks or grows a run where it is. 0, or -ENOMEM when its neighbour is taken, or the region's error.
    int resizeRun(ThreadCache* cache, uint64_t offset, uint32_t units);

    // Storage back to the file system: whole chunks free for `ageMs` or longer, or everything free. Returns bytes.
    uint64_t decay(uint32_t ageMs);
    uint64_t purge(ThreadCache* cache);
    int commitAll();

    HeapStats stats();
    bool hasDirtyChunks();
    uint32_t unitShift() const { return runs_.unitShift(); }

  private:
    struct Slab {
        uint32_t start;  // First unit.
        uint32_t previous;
        uint32_t next;
        uint16_t freeSlots;
        uint8_t sizeClass;
        bool listed;  // In its class's list of slabs with free slots.
        uint64_t freeBits[kMaxSlots / 64];
    };
    static constexpr uint32_t kNone = RunAllocator::kNone;

    int refillLocked(ThreadCache* cache, uint32_t sizeClass);
    int flushLocked(ThreadCache* cache, uint32_t magazine, uint32_t count);
    // Gives everything in the cache back, and slabs that are kept empty.
    int flushAllLocked(ThreadCache* cache);
    int newSlab(uint32_t sizeClass);
    void releaseSlab(uint32_t index);
    void link(uint32_t index);
    void unlink(uint32_t index);
    int freeSlot(uint64_t offset);
    int freeRunLocked(uint64_t offset);
    void noteDirty(ThreadCache* cache) { cache->word(kDirtyWord) = runs_.hasDirtyChunks(); }

    std::mutex mutex_;
    RunAllocator runs_;
    uint64_t capacity_ = 0;
    bool conservative_ = false;
    LazyArray<Slab> slabs_;
    uint32_t slabsMade_ = 0;
    uint32_t unusedSlabs_ = kNone;
    uint32_t available_[kSlabClasses];  // Slabs with free slots, by class.
    // The one slab of each class that is empty and kept all the same, or kNone: so that a block at the border of two
    // slabs does not make and break one each time.
    uint32_t kept_[kSlabClasses];
    SlabShape shapes_[kSlabClasses];
    ThreadCache* caches_ = nullptr;
    // What has been taken out of slabs and runs: by callers, or by thread caches.
    uint64_t takenBytes_ = 0;
    uint64_t takenBlocks_ = 0;
};

}  // namespace daxkind
