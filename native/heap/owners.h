// Whose a block is. Each thread cache has a number here, and the heap remembers with what it hands out to a cache that
// the cache's thread has it: in a slab's descriptor while all blocks of the slab are one cache's (slab_allocator.h), in
// a table beside it when they are not, in a table by units for runs. So what a thread held comes back when it has
// ended.
//
// JavaScript pops and pushes blocks without telling anybody. That changes no owner, because a thread pushes into its
// cache only what came out of that cache; what comes from another thread goes to the heap itself (a block with a
// reference, and a raw handle: Heap::freeRaw).
//
// A block that other threads can reach (it is referenced, or a raw handle of it is out) stays when its owner ends,
// under the old number. That does no harm when another cache gets the number: while the block can be reached it stays
// again, and once it cannot, it is either free or was pushed into that very cache.
//
// Who may call: anybody who holds the heap's lock.
#pragma once

#include <cstdint>
#include <vector>

namespace daxkind {

// The first cache is 0, so that tables that were never written are right in a kind that has only one.
constexpr uint32_t kFirstOwner = 0;
// A slab whose owner has ended: the next cache that needs one may have it.
constexpr uint32_t kNobody = 1;
// A slab with blocks of several.
constexpr uint32_t kManyOwners = 2;
constexpr uint32_t kFirstFurtherOwner = 3;
// Owners are kept in 16 bits.
constexpr uint32_t kMostOwners = 1u << 16;

class Owners {
  public:
    // The number of a cache that joins; kNobody if there can be no more.
    uint32_t add() {
        if (unused_.empty()) return next_ < kMostOwners ? next_++ : kNobody;
        const uint32_t owner = unused_.back();
        unused_.pop_back();
        return owner;
    }
    // From now on the number may be another cache's.
    void remove(uint32_t owner) { unused_.push_back(owner); }

  private:
    std::vector<uint32_t> unused_{kFirstOwner};
    uint32_t next_ = kFirstFurtherOwner;
};

}  // namespace daxkind
