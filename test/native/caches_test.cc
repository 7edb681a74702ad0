// What a thread cache takes of DRAM: pages of the magazines that have been used, and of no others, whatever else is
// done with the heap.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <vector>

#include "cache_user.h"
#include "check.h"
#include "fake_region.h"
#include "tests.h"

namespace test {

using namespace daxkind;

namespace {

constexpr uint64_t kMiB = 1024 * 1024;

// Pages of the cache that are there.
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

// All that is done with a cache but for allocating and freeing.
void attendTo(Heap* heap, CacheUser* user) {
    heap->stats();
    user->purge();
    heap->answer(user->cache());
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

}  // namespace

void testCaches(const Options&) {
    context() = "caches";
    FakeRegion region({1024 * kMiB, true}, 1);
    Heap heap;
    CHECK(heap.open(&region, HeapOptions{}) == 0);
    CacheUser user(&heap, region.capacity());
    CHECK(user.join() == 0);
    attendTo(&heap, &user);
    CHECK(residentPages(user.cache()) <= 1, "%d pages of an unused cache", residentPages(user.cache()));
    // A magazine may lie across the border of two pages.
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
