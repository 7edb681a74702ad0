// What a thread cache takes of DRAM and of the heap. In DRAM it takes the pages of the magazines that have been used,
// and no others, whatever else is done with the heap.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <vector>

#include "cache_user.h"
#include "check.h"
#include "fake_region.h"
#include "syscalls/sizes.h"
#include "tests.h"

namespace test {

using namespace daxkind;

namespace {

// How many pages of the cache are resident.
int residentPages(ThreadCache* cache) {
    const uintptr_t page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
    const uintptr_t words = reinterpret_cast<uintptr_t>(cache->words());
    const uintptr_t first = words / page * page;
    const uintptr_t end = words + kCacheWords * sizeof(int32_t);
    std::vector<unsigned char> isResident((end - first + page - 1) / page);
    CHECK(mincore(reinterpret_cast<void*>(first), end - first, isResident.data()) == 0);
    int pages = 0;
    for (const unsigned char each : isResident) pages += each & 1;
    return pages;
}

// A heap with one cache.
struct Setting {
    explicit Setting(uint64_t bytes) : region({bytes, true}, 1) {
        CHECK(heap.open(&region, HeapOptions{}) == 0);
        CHECK(user.join() == 0);
    }
    FakeRegion region;
    Heap heap;
    CacheUser user{&heap, region.capacity()};
};

// Does everything with a cache except allocating and freeing.
void attendTo(Heap* heap, CacheUser* user) {
    heap->stats();
    user->purge();
    heap->serveReclaim(user->cache());
    CacheUser other(heap, heap->stats().capacity);
    CHECK(other.join() == 0);
    Block block;
    CHECK(other.take(32, &block) == 0 && other.give(block) == 0);
}

void takeAndGive(Heap* heap, CacheUser* user, uint64_t size) {
    Block block;
    CHECK(user->take(size, &block) == 0 && user->give(block) == 0);
    CHECK(heap->stats().cached > 0, "blocks of %llu bytes are not cached", static_cast<unsigned long long>(size));
}

// Runs of a length that is asked for again are taken several at a time. The memory after the first run stays free,
// because that run may have to grow.
void furtherRuns() {
    Setting setting(64 * kMiB);
    auto& [region, heap, user] = setting;
    constexpr uint64_t kSize = 16 * kKiB;
    for (int round = 0; round < 2; round++) {
        Block first;
        CHECK(user.take(kSize, &first) == 0 && user.cachedBlocks() == 0, "a block that nobody asked for is cached");
        Block longer = first;
        CHECK(user.resize(&longer, 2 * kSize) == 0 && longer.offset == first.offset, "the run cannot grow");
        CHECK(user.resize(&longer, kSize) == 0);
        std::vector<Block> blocks(64);
        uint64_t before = 0;
        int calls = 0;
        for (Block& block : blocks) {
            CHECK(user.take(kSize, &block) == 0);
            if (user.cachedBlocks() > before) calls++;
            before = user.cachedBlocks();
            CHECK(before <= 8, "%llu runs are kept for later", static_cast<unsigned long long>(before));
        }
        CHECK(calls > 0 && calls <= 10, "the heap was asked %d times for %zu runs", calls, blocks.size());
        blocks.push_back(longer);
        for (const Block& block : blocks) CHECK(user.give(block) == 0);
        CHECK(heap.stats().blocks == 0 && heap.stats().allocated == 0);
        // Everything is as it was in the beginning then.
        user.purge();
    }
}

// A cache that is full of runs gives back some runs of the length that it holds most of, and keeps the others.
void fullOfRuns() {
    Setting setting(256 * kMiB);
    auto& [region, heap, user] = setting;
    const uint64_t most = region.capacity() / 32;
    std::vector<Block> blocks;
    for (uint64_t i = 0; i < 2 * most / (64 * kKiB); i++) {
        for (const uint64_t units : {64, 48, 16}) {
            blocks.emplace_back();
            CHECK(user.take(units * 1024, &blocks.back()) == 0);
        }
    }
    uint64_t highest = 0;
    for (const Block& block : blocks) {
        CHECK(user.give(block) == 0);
        const uint64_t cached = user.cachedBytes();
        CHECK(cached <= most, "%llu bytes are cached", static_cast<unsigned long long>(cached));
        CHECK(highest < most / 8 * 7 || cached >= most / 4, "%llu bytes are left",
              static_cast<unsigned long long>(cached));
        highest = std::max(highest, cached);
    }
    CHECK(highest >= most / 8 * 7 && user.cachedIn(kRunCode) > 0 && user.cachedIn(kRunCode + 48) > 0);
}

// Two threads may each cache as much as one alone. More threads share that among those that use the kind. A thread that
// only holds the kind gets no share.
void whoShares() {
    Setting setting(1024 * kMiB);
    auto& [region, heap, user] = setting;
    CacheUser others[] = {{&heap, region.capacity()}, {&heap, region.capacity()}, {&heap, region.capacity()}};
    for (CacheUser& other : others) CHECK(other.join() == 0);
    const auto limit = [&user = user] { return static_cast<int32_t>(user.cache()->word(kCachedUnitsLimitWord)); };
    Block block;
    CHECK(user.take(32, &block) == 0 && user.give(block) == 0);
    const int32_t whole = limit();
    CHECK(whole > 0);
    uint64_t size = 32;
    int threads = 1;
    for (CacheUser& other : others) {
        CHECK(other.take(32, &block) == 0 && other.give(block) == 0);
        // The block is of a class that this cache has not seen, so the heap is asked.
        size *= 2;
        CHECK(user.take(size, &block) == 0 && user.give(block) == 0);
        threads++;
        CHECK(limit() == whole * 2 / std::max(threads, 2), "%d caches have %d units each, and one alone has %d",
              threads, limit(), whole);
    }
    // Three threads are left, and later two.
    others[0].leave();
    CHECK(user.take(1024, &block) == 0 && user.give(block) == 0);
    CHECK(limit() == whole * 2 / 3, "one of three caches has %d units, and alone it has %d", limit(), whole);
    CacheUser& idle = others[1];
    // The thread gives back all that it holds, as it is asked to after some seconds.
    idle.cache()->isToRest = true;
    heap.serveReclaim(idle.cache());
    CHECK(user.take(2048, &block) == 0 && user.give(block) == 0);
    CHECK(limit() == whole, "a cache has %d units while another rests, and alone it has %d", limit(), whole);
    CHECK(idle.take(32, &block) == 0 && idle.give(block) == 0);
    CHECK(user.take(4096, &block) == 0 && user.give(block) == 0);
    CHECK(limit() == whole * 2 / 3, "one of three caches has %d units, and alone it has %d", limit(), whole);
}

// The states of consecutive runs are in different cache lines, and each unit has a number of its own.
void numbersOfUnits() {
    constexpr uint32_t kStatesInLine = 64 / sizeof(uint16_t);
    std::vector<bool> isUsed(size_t{2} * (kStretchMask + 1));
    for (uint32_t unit = 0; unit < isUsed.size(); unit++) {
        const uint32_t number = numberOfUnit(unit);
        CHECK(number < isUsed.size() && !isUsed[number] && unitOfNumber(number) == unit, "unit %u", unit);
        isUsed[number] = true;
        for (uint32_t apart = 1; apart < 1u << kSpreadShift && apart <= unit; apart++) {
            const uint32_t other = numberOfUnit(unit - apart);
            CHECK(number / kStatesInLine != other / kStatesInLine, "units %u and %u", unit - apart, unit);
        }
    }
}

}  // namespace

void testCaches(const Options&) {
    context() = "caches";
    furtherRuns();
    fullOfRuns();
    whoShares();
    numbersOfUnits();
    Setting setting(1024 * kMiB);
    auto& [region, heap, user] = setting;
    attendTo(&heap, &user);
    CHECK(residentPages(user.cache()) <= 1, "%d pages of an unused cache", residentPages(user.cache()));
    // A magazine may lie on the border of two pages.
    int most = 1;
    for (const uint64_t size : {uint64_t{64}, uint64_t{4096}, kMiB}) {
        takeAndGive(&heap, &user, size);
        attendTo(&heap, &user);
        most += 2;
        const int pages = residentPages(user.cache());
        CHECK(pages <= most, "%d pages of a cache of which %d magazines were used", pages, most / 2);
    }
    std::printf("caches: %d pages\n", residentPages(user.cache()));
}

}  // namespace test
