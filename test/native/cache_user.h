// Does to a thread cache in C++ what lib/kind does: pops and pushes blocks by the layout of native/heap/thread_cache.h,
// and calls the heap only where JavaScript would. Nothing else in the tests knows that layout.
#pragma once

#include <cstdint>
#include <vector>

#include "heap/heap.h"

namespace test {

// A block as its holder knows it.
struct Block {
    uint64_t offset;
    uint32_t sizeClass;  // Of a slot; kRunCode for a run.
    uint64_t units;      // Of a run.
    uint64_t bytes;      // Usable.

    bool isRun() const { return sizeClass == daxkind::kRunCode; }
};

// A raw handle of a block, as lib/kind/raw.ts reads it.
struct Handle {
    uint64_t number;  // Of the block's place.
    uint16_t out;     // The state while the handle is out.
};

class CacheUser {
  public:
    // Its end leaves the heap, as a thread that ends does. What it holds and nobody else can reach is free then.
    CacheUser(daxkind::Heap* heap, uint64_t capacity) : heap_(heap), capacity_(capacity) {}
    CacheUser(const CacheUser&) = delete;
    CacheUser& operator=(const CacheUser&) = delete;
    ~CacheUser();

    // Opens the thread cache and joins the heap. 0 or -errno. Call it first.
    int join();
    // Leaves the heap. The caller has to call abandon() for the cache's owner.
    void leave();

    // malloc, memalign: 0 or -errno.
    int take(uint64_t size, Block* block);
    int takeAligned(uint64_t size, uint64_t alignment, Block* block);
    // free: 0 or -errno.
    int give(const Block& block);
    // The part of realloc that does not move the block. 0 or -errno.
    int resize(Block* block, uint64_t size);
    // defragReallocate without copying the content. 0 or -errno, and the block's better place. The old block must be
    // given back directly.
    int takeFuller(const Block& block, uint64_t* better);
    uint64_t purge();
    // Makes the heap look at one magazine as if it were full.
    int drain(uint32_t magazine);
    // Puts an offset that no block has into the magazine of a class. False if the magazine is full.
    bool plant(uint32_t sizeClass, uint64_t offset);
    // free without the cache. Takes any offset.
    int giveDirectly(uint64_t offset);
    // mallocRaw, for a block that this user has taken.
    Handle makeHandle(const Block& block);
    // freeRaw. 0 or -errno. Without the last argument, the heap's tables tell whether the block is this user's.
    int freeHandle(const Block& block, const Handle& handle);
    int freeHandle(const Block& block, const Handle& handle, bool isOwn);

    // Bytes and blocks in the cache.
    uint64_t cachedBytes() const;
    uint64_t cachedBlocks() const;
    // Blocks in one magazine.
    uint32_t cachedIn(uint32_t magazine) const { return load(magazine << daxkind::kMagazineShift) / 2; }
    // Bytes of each block in one magazine.
    uint64_t sizeIn(uint32_t magazine) const;
    // The offsets at which cached blocks begin.
    std::vector<uint64_t> cachedOffsets() const;

    // From now on, it also asks for what is marked as failed, and checks that it fails. Only for heaps without other
    // threads.
    void doubt() { isTrusting_ = false; }

    daxkind::ThreadCache* cache() { return &cache_; }

    // A raw table as JavaScript sees it.
    template <typename T>
    static const daxkind::SharedWord<T>* table(const daxkind::RawTables::Table& table) {
        return static_cast<const daxkind::SharedWord<T>*>(table.data);
    }

  private:
    uint32_t load(uint32_t word) const;
    void store(uint32_t word, uint32_t value);
    bool pop(uint32_t code, uint64_t* offset);
    bool push(uint32_t code, uint64_t units, uint64_t offset);
    bool isKnownToFail(uint32_t code) const;
    int takeSlot(uint32_t sizeClass, Block* block);
    int takeRun(uint64_t units, uint64_t alignment, Block* block);
    uint64_t unitsFor(uint64_t size) const;
    Block run(uint64_t offset, uint64_t units) const;
    bool pushNumber(uint32_t sizeClass, uint64_t number);
    // The offset of the block that an entry of a magazine stands for, and of the slot that has a number.
    uint64_t offsetAt(uint32_t word) const;
    uint64_t offsetOf(uint64_t number) const;
    daxkind::RawTables tables() const;
    daxkind::SharedWord<uint16_t>& stateOf(const Handle& handle);
    bool owns(const Handle& handle);

    daxkind::Heap* const heap_;
    const uint64_t capacity_;
    bool hasJoined_ = false;
    bool isTrusting_ = true;
    mutable daxkind::ThreadCache cache_;
};

}  // namespace test
