// Blocks that have a generation: those that may be freed from any thread, or by the garbage collector, or twice by
// mistake. A generation is given once and never again. So a stale reference is always recognised, even if its memory
// has become another block. Blocks without a generation cost nothing here.
//
// Who may call: anybody who holds the heap's lock.
#pragma once

#include <cstdint>
#include <unordered_map>

namespace daxkind {

// Who can reach the block, and so frees it when the thread that allocated it has ended.
enum class ReferenceSort : uint32_t {
    kShared,       // Any thread can, by the reference: the block stays.
    kCollected,    // The finalizer of its ArrayBuffer can. It runs before the thread has ended.
    kGuarded,      // Nobody can. It has a generation only because all blocks of debug mode have one.
    kQuarantined,  // The thread that has it in quarantine can: callers have freed it. In debug mode alone.
};

// A block as other threads know it.
struct Reference {
    uint64_t generation;
    uint64_t length;   // Bytes of the Buffer.
    uint32_t redZone;  // The Buffer begins this many bytes behind the start of the block (debug mode).
    ReferenceSort sort;
};

class References {
  public:
    // Gives a block a new reference, in place of one that it has. Returns its generation.
    uint64_t add(uint64_t offset, uint64_t length, uint32_t redZone, ReferenceSort sort) {
        remove(offset);
        references_[offset] = Reference{next_, length, redZone, sort};
        if (sort == ReferenceSort::kCollected) collectedBytes_ += length;
        if (sort == ReferenceSort::kQuarantined) quarantined_++;
        return next_++;
    }
    // Null if the block has been freed, or has another generation.
    const Reference* find(uint64_t offset, uint64_t generation) const {
        const Reference* const reference = at(offset);
        return reference == nullptr || reference->generation != generation ? nullptr : reference;
    }
    void remove(uint64_t offset) {
        const auto found = references_.find(offset);
        if (found == references_.end()) return;
        if (found->second.sort == ReferenceSort::kCollected) collectedBytes_ -= found->second.length;
        if (found->second.sort == ReferenceSort::kQuarantined) quarantined_--;
        references_.erase(found);
    }
    // From now on all threads may know the guarded block there.
    void share(uint64_t offset) {
        Reference& reference = references_[offset];
        if (reference.sort == ReferenceSort::kQuarantined) quarantined_--;
        reference.sort = ReferenceSort::kShared;
    }
    // The shared or guarded block there has another length from now on.
    void relength(uint64_t offset, uint64_t length) { references_[offset].length = length; }
    // The reference to the block there, whatever its generation is. Null if the block has none.
    const Reference* at(uint64_t offset) const {
        const auto at = references_.find(offset);
        return at == references_.end() ? nullptr : &at->second;
    }
    bool isEmpty() const { return references_.empty(); }
    // Bytes of the Buffers of the blocks that the garbage collector frees.
    uint64_t collectedBytes() const { return collectedBytes_; }
    bool hasQuarantined() const { return quarantined_ > 0; }
    // Calls `visit` with the offset of each block of that sort.
    template <typename Visit>
    void each(ReferenceSort sort, Visit visit) const {
        for (const auto& [offset, reference] : references_) {
            if (reference.sort == sort) visit(offset);
        }
    }

  private:
    std::unordered_map<uint64_t, Reference> references_;
    uint64_t next_ = 1;
    uint64_t collectedBytes_ = 0;
    uint64_t quarantined_ = 0;
};

}  // namespace daxkind
