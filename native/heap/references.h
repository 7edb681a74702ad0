// Blocks that have a generation: those that may be freed from any thread, or by the garbage collector, or twice by
// mistake. A generation is given once and never again, so that a stale reference is always recognised, also when its
// memory is another block's by now. Blocks without one cost nothing here.
//
// Who may call: anybody who holds the heap's lock.
#pragma once

#include <cstdint>
#include <unordered_map>

namespace daxkind {

// A block as other threads know it.
struct Reference {
    uint64_t generation;
    uint64_t length;  // Bytes of the Buffer.
    uint32_t zone;    // The Buffer begins this many bytes behind the block's start (a red zone of debug mode).
};

class References {
  public:
    // A new reference to a block that has none: its generation.
    uint64_t add(uint64_t offset, uint64_t length, uint32_t zone) {
        references_.insert_or_assign(offset, Reference{next_, length, zone});
        return next_++;
    }
    // Null if the block has been freed, or was never referenced in that generation.
    Reference* find(uint64_t offset, uint64_t generation) {
        const auto at = references_.find(offset);
        return at == references_.end() || at->second.generation != generation ? nullptr : &at->second;
    }
    void remove(uint64_t offset) { references_.erase(offset); }

  private:
    std::unordered_map<uint64_t, Reference> references_;
    uint64_t next_ = 1;
};

}  // namespace daxkind
