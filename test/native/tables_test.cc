// Checks that the tables that a heap reserves at its start are long enough for the worst case: a heap that has been
// full of slabs of every class, one after another, and is then cut into slabs of one unit, two, four... Each table ends
// at a page that cannot be touched (faults.cc), so one entry too many is a crash.
#include <vector>

#include "book.h"
#include "cache_user.h"
#include "fake_region.h"
#include "heap/raw_numbers.h"
#include "tests.h"

namespace test {

using namespace daxkind;

namespace {

class Crowd {
  public:
    Crowd(Heap* heap, Region* region) : book_(heap, region), user_(heap, region->capacity()) {
        CHECK(user_.join() == 0);
    }

    void fill(uint64_t size) {
        Block block;
        while (user_.take(size, &block) == 0) book_.take(block, 16);
    }

    // Takes every second piece of that length.
    void takeEverySecond(uint64_t bytes) {
        Block block;
        while (user_.takeAligned(bytes, 2 * bytes, &block) == 0) book_.take(block, 2 * bytes);
    }

    // Gives back the runs, or everything.
    void give(bool isEverything) {
        for (size_t i = book_.count(); i-- > 0;) {
            const Block block = book_.at(i).block;
            if (!isEverything && !block.isRun()) continue;
            book_.give(block.offset);
            CHECK(user_.give(block) == 0);
        }
        user_.purge();
    }

    void check() {
        book_.checkRawTables();
        book_.checkStats({&user_});
    }

  private:
    Book book_;
    CacheUser user_;
};

void crowd(uint32_t unitShift) {
    FakeRegion region({128ull << unitShift, false}, 1);
    Heap heap;
    HeapOptions options;
    options.unitShift = unitShift;
    CHECK(heap.open(&region, options) == 0);
    Crowd crowd(&heap, &region);
    for (uint32_t index = 0; index < kSlabClasses; index++) {
        crowd.fill(classSize(index));
        if (index % 8 == 0) crowd.check();
        crowd.give(true);
    }
    // The heap is cut into pieces, and the pieces become slabs of a class with many or few slots.
    for (uint32_t units = 16; units > 0; units /= 2) {
        const uint64_t piece = uint64_t{units} << unitShift;
        for (const uint64_t size : {16u, 32u, 48u, 64u, 128u, 512u, 1024u}) {
            // Shorter pieces are runs only because of their alignment.
            if (piece <= kMaxSlabSize && 2 * piece <= 1ull << unitShift) continue;
            crowd.takeEverySecond(piece);
            crowd.fill(size);
            crowd.give(false);
            crowd.fill(size);
            crowd.check();
            crowd.give(true);
        }
    }
}

// Ranges of numbers for raw handles never overlap while they are held. They are used again in their order.
void checkRawNumbers() {
    constexpr uint64_t kAll = RawNumbers::kEnd - RawNumbers::kFirst;
    for (const uint64_t seed : {uint64_t{0}, kAll / 3, kAll - 1, UINT64_MAX}) {
        RawNumbers numbers(seed);
        CHECK(numbers.take(kAll + 1) == 0);
        const uint64_t first = numbers.take(1000);
        CHECK(first >= RawNumbers::kFirst && first + 1000 <= RawNumbers::kEnd);
        CHECK(numbers.wasTaken(first) && numbers.wasTaken(first + 999) && !numbers.wasTaken(0) &&
              !numbers.wasTaken(UINT64_MAX));
        // A quarter of all numbers is given back and taken again. The range that is still held is never touched.
        for (int i = 0; i < 20; i++) {
            const uint64_t quarter = numbers.take(kAll / 4);
            CHECK(quarter >= RawNumbers::kFirst && quarter + kAll / 4 <= RawNumbers::kEnd);
            CHECK(quarter + kAll / 4 <= first || quarter >= first + 1000);
            numbers.giveBack(quarter);
            CHECK(numbers.wasTaken(quarter));
        }
        uint64_t held = 0;
        while (numbers.take(kAll / 16) != 0) held++;
        // The gaps next to the small range and at the end of all numbers may be too short.
        CHECK(held >= 13 && held <= 15);
        numbers.giveBack(first);
        CHECK(numbers.take(1000) != 0);
    }
}

}  // namespace

void testTables(const Options&) {
    checkRawNumbers();
    for (uint32_t unitShift = 10; unitShift <= 14; unitShift++) {
        context() = "tables";
        crowd(unitShift);
    }
    std::printf("tables: done\n");
}

}  // namespace test
