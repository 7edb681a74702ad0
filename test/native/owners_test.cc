// What happens when one thread works between two steps of another thread's call that lets go of the heap's lock. The
// heap still knows the owner of each block, and finds what a thread left behind as fast as before.
#include <cstdio>
#include <functional>
#include <vector>

#include "cache_user.h"
#include "check.h"
#include "fake_clock.h"
#include "fake_region.h"
#include "syscalls/sizes.h"
#include "tests.h"

namespace test {

using namespace daxkind;

namespace {

constexpr uint64_t kSize = 64;

// A region that lets a test run something before a commit, once.
class EventfulRegion final : public FakeRegion {
  public:
    using FakeRegion::FakeRegion;
    int commit(uint64_t offset, uint64_t length) override {
        const std::function<void()> event = std::move(onCommit);
        onCommit = nullptr;
        if (event) event();
        return FakeRegion::commit(offset, length);
    }
    std::function<void()> onCommit;
};

std::vector<Block> fill(CacheUser* user) {
    std::vector<Block> blocks;
    Block block;
    while (user->take(kSize, &block) == 0) blocks.push_back(block);
    return blocks;
}

// Two threads together have filled a slab. While a third thread waits in vain for storage, one of the two frees a block
// of the slab. The third thread then gets that block.
void freeWhileAnotherCommits() {
    EventfulRegion region({8 * kMiB, true}, 1);
    region.room = 2 * kMiB;
    Heap heap;
    CHECK(heap.open(&region, HeapOptions{}) == 0);
    {
        CacheUser first(&heap, region.capacity());
        CacheUser second(&heap, region.capacity());
        CacheUser third(&heap, region.capacity());
        for (CacheUser* user : {&first, &second, &third}) {
            CHECK(user->join() == 0);
            user->doubt();
        }
        const std::vector<Block> firsts = fill(&first);
        for (size_t i = 0; i < 10; i++) CHECK(first.giveDirectly(firsts[i].offset) == 0);
        const std::vector<Block> seconds = fill(&second);
        CHECK(seconds.size() == 10, "%zu blocks were free", seconds.size());
        // Until then nobody asks the region.
        advanceClock(kFullMs);
        bool hasHappened = false;
        region.onCommit = [&] {
            CHECK(second.giveDirectly(seconds[0].offset) == 0);
            hasHappened = true;
        };
        Block block;
        CHECK(third.take(kSize, &block) == 0 && hasHappened && block.offset == seconds[0].offset);
        CHECK(heap.stats().blocks == firsts.size());
    }
    CacheUser last(&heap, region.capacity());
    CHECK(last.join() == 0);
    const HeapStats stats = heap.stats();
    CHECK(stats.blocks == 0 && stats.active == 0, "%llu blocks of ended threads are left",
          static_cast<unsigned long long>(stats.blocks));
}

// A thread's blocks are freed in steps. Between two steps all memory after them becomes one free run, and the next step
// begins in the middle of it.
void freeWhileBlocksAreAbandoned() {
    FakeRegion region({64 * kKiB * kMiB, true}, 1);
    Heap heap;
    CHECK(heap.open(&region, HeapOptions{}) == 0);
    CacheUser ending(&heap, region.capacity());
    CacheUser other(&heap, region.capacity());
    CHECK(ending.join() == 0 && other.join() == 0);
    Block block;
    for (int i = 0; i < 10'000; i++) CHECK(ending.take(16, &block) == 0);
    std::vector<Block> others;
    for (int i = 0; i < 200'000; i++) {
        CHECK(other.take(16, &block) == 0);
        others.push_back(block);
    }
    ending.leave();
    const uint32_t owner = ending.cache()->owner;
    for (int i = 0; i < 10; i++) CHECK(!heap.abandonSome(owner));
    for (const Block& each : others) CHECK(other.giveDirectly(each.offset) == 0);
    other.purge();
    int steps = 1;
    while (!heap.abandonSome(owner)) steps++;
    CHECK(steps < 10, "%d steps for memory that is free", steps);
    CHECK(heap.stats().blocks == 0);
}

}  // namespace

void testOwners(const Options&) {
    context() = "owners";
    freeWhileAnotherCommits();
    freeWhileBlocksAreAbandoned();
    std::printf("owners: done\n");
}

}  // namespace test
