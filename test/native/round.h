// A round of the random test: one heap on one region, in one thread, with one to three thread caches that take turns,
// end and begin. It makes random calls, and after each of them asks whether the reference model can be true. Its seed
// determines a round, if the clock stands still (fake_clock.h).
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <vector>

#include "book.h"
#include "cache_user.h"
#include "check.h"
#include "fake_region.h"
#include "heap/heap.h"

namespace test {

// What a round works with.
struct Plan {
    uint64_t capacity = 0;
    bool isElastic = true;
    uint32_t unitShift = 0;
    bool isConservative = false;
    uint32_t decayMs = 0;
    uint32_t users = 1;
    uint64_t room = UINT64_MAX;  // How much of the capacity the file system has.
    uint32_t commitFailures = 0;
    uint32_t decommitFailures = 0;
    bool isRaw = false;      // Raw handles are used.
    bool hasLosses = false;  // Parts of the region are lost.
    uint32_t operations = 1500;
};

class Round {
  public:
    Round(const Plan& plan, daxkind::Region* region, Random random, bool isVerbose);

    // Runs until everything is given back.
    void run();

  private:
    // round.cc: what a caller does with blocks.
    void operate();
    void take();
    void takeAligned();
    void give();
    void resize();
    void defragment();
    void refer();
    void dereference();
    void giveOut();

    // round_ends.cc: users end. What they held is free, or somebody else still has it.
    void join();
    void end();
    void abandonSome();

    // round_refusals.cc: mistakes, which must change nothing.
    void refuseStray();
    void refuseTwice();
    void refuseStrayInMagazine();
    void refuseStale();
    void refuse(uint64_t offset);
    bool isTaken(uint64_t offset) const;
    uint64_t strayOffset();

    // round_storage.cc: what becomes of free memory.
    uint64_t decayAll();
    void decay();
    void purge();
    void purgeSome();
    void prefault();
    void drain();
    void checkAsNew(CacheUser* last);
    void checkRest(CacheUser* last);

    // round_losses.cc: parts of the region are lost.
    void lose();

    void took(const char* what, uint64_t size, uint64_t alignment, int error, const Block& block);
    void checkFailure(int error, uint64_t bytes);
    void checkStats();
    uint64_t checkNew(uint64_t generation) const;
    uint64_t anySize();
    const Book::Held& anyHeld() { return book_.at(random_.below(book_.count())); }
    uint64_t committed() { return heap_.stats().committed; }

    const Plan plan_;
    Random random_;
    const bool isVerbose_;
    FakeRegion* const fake_;  // Null if the region is not a FakeRegion.
    daxkind::Heap heap_;
    Book book_;
    // Each user has a number of its own.
    struct User : CacheUser {
        User(daxkind::Heap* heap, uint64_t capacity, uint64_t number) : CacheUser(heap, capacity), number(number) {}
        const uint64_t number;
    };
    // A user that has left. Its blocks below `unit` have been freed.
    struct Left {
        uint64_t number;
        uint32_t owner;
        uint32_t unit;
    };
    User* userOf(const Book::Held& held);

    std::vector<std::unique_ptr<User>> users_;
    User* user_ = nullptr;  // The user whose turn it is.
    uint64_t lastUser_ = 0;
    std::vector<Left> left_;
    bool isFilling_ = true;
    bool keepsStorage_ = false;
    std::set<uint64_t> given_;  // Where blocks began that were given back, if none has begun there since.
    struct Stale {
        uint64_t offset;
        uint64_t generation;
    };
    std::vector<Stale> stale_;
    uint64_t lastGeneration_ = 0;
};

}  // namespace test
