// The reference model: which blocks are held, where they are, and what is written in each. It knows nothing of slabs,
// bins or chunks. Whatever the heap does inside, these facts must hold.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <vector>

#include "cache_user.h"
#include "fake_region.h"
#include "heap/heap.h"

namespace test {

class Book {
  public:
    struct Held {
        Block block;
        uint64_t seed;            // Of its content.
        uint64_t user;            // Who took it.
        uint64_t generation = 0;  // Of its reference; 0: it has none.
        daxkind::ReferenceSort sort = daxkind::ReferenceSort::kShared;
        bool isRaw = false;  // Somebody holds a raw handle of it.
        Handle handle{};

        // Whether only the user that took it can reach it.
        bool isPrivate() const { return !isRaw && (generation == 0 || sort == daxkind::ReferenceSort::kGuarded); }
        // Whether its caller has freed it, although it is not free yet.
        bool isQuarantined() const { return generation != 0 && sort == daxkind::ReferenceSort::kQuarantined; }
    };

    Book(daxkind::Heap* heap, daxkind::Region* region) : heap_(heap), region_(region) {}

    // A block was handed out. Checks that it is where a block may be and overlaps no other, and writes into it.
    void take(const Block& block, uint64_t alignment, uint64_t user = 0);
    // The block is about to be given back. Checks its content and forgets it.
    void give(uint64_t offset);
    // The block was given back, and its content may be gone.
    void drop(uint64_t offset) { forget(places_.at(offset)); }
    // The block has another length now. Checks that the content is the same as far as it goes.
    void resize(const Block& block);
    // The block has a second place, and its content is copied there. The first place is to be given back.
    void move(uint64_t offset, uint64_t to);
    // The bytes are lost. No block is handed out there from now on.
    void lose(uint64_t from, uint64_t to) { lost_[from] = std::max(lost_[from], to); }
    bool hasLost() const { return !lost_.empty(); }
    void setReference(uint64_t offset, uint64_t generation, daxkind::ReferenceSort sort);
    void setHandle(uint64_t offset, const Handle& handle) {
        held_[places_.at(offset)].handle = handle;
        held_[places_.at(offset)].isRaw = true;
    }

    // Checks that the heap's statistics say exactly what is in this book and in the caches. Call it after each change,
    // because it remembers how much there was.
    void checkStats(const std::vector<CacheUser*>& users);
    // Checks that the content of every block is as it was written.
    void checkContents() const;
    // Checks that no two slots share a byte of state, and that all of those bytes are in the table.
    void checkRawTables() const;

    bool isEmpty() const { return held_.empty(); }
    size_t count() const { return held_.size(); }
    const Held& at(size_t index) const { return held_[index]; }
    // Whether a held block begins there.
    bool has(uint64_t offset) const { return places_.count(offset) != 0; }
    daxkind::Region* region() const { return region_; }

  private:
    void checkPlace(const Block& block, uint64_t alignment) const;
    void checkNotLost(uint64_t from, uint64_t to) const;
    void hold(const Block& block, uint64_t user);
    void checkClasses(const std::vector<CacheUser*>& users) const;
    void check(const Held& held, uint64_t cut) const;
    void add(const Held& held);
    void forget(size_t index);

    struct Amount {
        uint64_t blocks = 0;
        uint64_t bytes = 0;
        void add(uint64_t length) {
            blocks++;
            bytes += length;
        }
        void subtract(uint64_t length) {
            blocks--;
            bytes -= length;
        }
    };

    daxkind::Heap* const heap_;
    daxkind::Region* const region_;
    std::vector<Held> held_;                       // In no order, so that any one can be picked.
    std::map<uint64_t, size_t> places_;            // Index in held_, by offset.
    std::map<uint64_t, uint64_t> lost_;            // Pages: from, to.
    uint64_t blocks_[daxkind::kRunCode + 1] = {};  // By size class; runs are the last.
    uint64_t bytes_ = 0;
    uint64_t runBytes_ = 0;
    Amount quarantined_[daxkind::kRunCode + 1] = {};  // By size class. They are among the blocks.
    uint64_t highWater_ = 0;
    uint64_t seeds_ = 0;
};

}  // namespace test
