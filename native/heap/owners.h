// The owner of a block is the thread cache to which the heap gave it. Each thread cache has a number here. The heap
// notes this number in a slab's descriptor while all blocks of the slab belong to one cache (slab_allocator.h), and in
// a table by slots when they do not. For runs it notes the number in a table by units. So the blocks that a thread held
// come back when it has ended.
//
// JavaScript pops and pushes blocks without telling anybody. That changes no owner, because a thread pushes into its
// cache only blocks that came out of that cache. Blocks of other threads go to the heap itself: blocks with a
// reference, and blocks with a raw handle (Heap::freeRaw).
//
// A block that other threads can reach (it is referenced, or a raw handle of it is out) stays when its owner ends. Its
// number stays, too. That does no harm when another cache gets the number. While the block can be reached, it stays
// again. When it cannot be reached any more, it is free, or it was pushed into that very cache.
//
// Who may call: anybody who holds the heap's lock.
#pragma once

#include <cstdint>
#include <vector>

namespace daxkind {

// The number of the first cache. It is 0, so that tables that were never written are right in a kind with one cache.
constexpr uint32_t kFirstOwner = 0;
// The owner of a slab whose owner has ended. The next cache that needs a slab may have it.
constexpr uint32_t kNobody = 1;
// The owner of a slab with blocks of several caches.
constexpr uint32_t kManyOwners = 2;
constexpr uint32_t kFirstFurtherOwner = 3;
// The tables have 16 bits for an owner.
constexpr uint32_t kMostOwners = 1u << 16;

class Owners {
  public:
    // The number for a cache that joins. kNobody if there can be no more caches.
    uint32_t add() {
        if (unused_.empty()) return next_ < kMostOwners ? next_++ : kNobody;
        const uint32_t owner = unused_.back();
        unused_.pop_back();
        return owner;
    }
    // From now on another cache may get the number.
    void remove(uint32_t owner) { unused_.push_back(owner); }

  private:
    std::vector<uint32_t> unused_{kFirstOwner};
    uint32_t next_ = kFirstFurtherOwner;
};

}  // namespace daxkind
