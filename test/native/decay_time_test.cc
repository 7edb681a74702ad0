// When freed storage goes back: not a moment before it has been free for the kind's decayMs, and then at once, even if
// a thread cache has held it meanwhile. The test moves the clock, and calls the heap as kind/decay.cc does.
#include <cstdio>
#include <vector>

#include "cache_user.h"
#include "fake_clock.h"
#include "fake_region.h"
#include "heap/heap.h"
#include "syscalls/sizes.h"
#include "tests.h"

namespace test {

using namespace daxkind;

namespace {

// The clock's last bit is always set. So only moments that are two milliseconds apart differ.
constexpr uint32_t kTick = 2;

// Does what the background does when it is due. Gives the bytes that went back, and the time after which it would come
// again.
ScavengeStep turn(Heap& heap) {
    ScavengeStep all{0, 0};
    while (all.nextInMs == 0) {
        const ScavengeStep step = heap.decay();
        all = {all.bytes + step.bytes, step.nextInMs};
    }
    return all;
}

void checkGoesBackAfter(uint32_t ms, StoppedClock& clock, Heap& heap, uint64_t bytes) {
    clock.advance(ms - kTick);
    const ScavengeStep early = turn(heap);
    CHECK(early.bytes == 0 && early.nextInMs <= kTick, "%llu bytes went back too early, the rest in %u ms",
          static_cast<unsigned long long>(early.bytes), early.nextInMs);
    clock.advance(kTick);
    const ScavengeStep due = turn(heap);
    CHECK(due.bytes == bytes, "%llu bytes went back", static_cast<unsigned long long>(due.bytes));
}

// Does it twice, because what has worked once may stay disarmed.
void giveBackInTime(const HeapOptions& options, uint32_t decayMs) {
    StoppedClock clock;
    FakeRegion region({64 * kMiB, true}, 1);
    Heap heap;
    CHECK(heap.open(&region, options) == 0);
    CacheUser user(&heap, region.capacity());
    CHECK(user.join() == 0);
    for (int cycle = 0; cycle < 2; cycle++) {
        Block early;
        Block late;
        CHECK(user.take(8 * kMiB, &early) == 0 && user.take(4 * kMiB, &late) == 0);
        CHECK(user.giveDirectly(early.offset) == 0);
        CHECK(turn(heap).nextInMs <= decayMs);
        clock.advance(decayMs / 4);
        CHECK(user.giveDirectly(late.offset) == 0);
        checkGoesBackAfter(decayMs - decayMs / 4, clock, heap, 8 * kMiB);
        checkGoesBackAfter(decayMs / 4, clock, heap, 4 * kMiB);
        CHECK(heap.stats().committed == 0 && turn(heap).nextInMs == ScavengeStep::kNever);
    }
}

// The time begins anew for memory that is used again.
void startAgain() {
    StoppedClock clock;
    FakeRegion region({64 * kMiB, true}, 1);
    Heap heap;
    CHECK(heap.open(&region, HeapOptions{}) == 0);
    const uint32_t decayMs = HeapOptions{}.decayMs;
    CacheUser user(&heap, region.capacity());
    CHECK(user.join() == 0);
    Block block;
    for (int use = 0; use < 3; use++) {
        CHECK(user.take(8 * kMiB, &block) == 0);
        CHECK(user.giveDirectly(block.offset) == 0);
        clock.advance(decayMs - kTick);
        CHECK(turn(heap).bytes == 0);
    }
    clock.advance(kTick);
    CHECK(turn(heap).bytes == 8 * kMiB);
}

// Where no thread can be had, the heap asks again as soon as something else is freed.
void askAgain(const HeapOptions& options) {
    struct Background {
        bool hasThread = false;
        int asked = 0;
    } background;
    FakeRegion region({64 * kMiB, true}, 1);
    Heap heap;
    CHECK(heap.open(&region, options) == 0);
    const auto wake = [](void* data, uint32_t) {
        auto* const asked = static_cast<Background*>(data);
        asked->asked++;
        return asked->hasThread;
    };
    heap.setDecay(wake, &background);
    CacheUser user(&heap, region.capacity());
    CHECK(user.join() == 0);
    for (int free = 1; free <= 3; free++) {
        Block block;
        CHECK(user.take(8 * kMiB, &block) == 0);
        const int before = background.asked;
        CHECK(user.giveDirectly(block.offset) == 0);
        CHECK(background.asked > before, "the heap does not ask a second time");
    }
    background.hasThread = true;
    Block block;
    CHECK(user.take(8 * kMiB, &block) == 0 && user.giveDirectly(block.offset) == 0);
    const int before = background.asked;
    CHECK(user.take(8 * kMiB, &block) == 0 && user.giveDirectly(block.offset) == 0);
    CHECK(options.decayMs == 0 || background.asked == before, "the heap asks again for what has been promised");
}

// A thread cache is asked to give everything back after half of the time. That half counts.
void giveBackWhatCachesHold(const HeapOptions& options, uint32_t decayMs) {
    StoppedClock clock;
    FakeRegion region({64 * kMiB, true}, 1);
    Heap heap;
    CHECK(heap.open(&region, options) == 0);
    CacheUser user(&heap, region.capacity());
    CHECK(user.join() == 0);
    bool isAsked = false;
    heap.setWake(user.cache(), [](void* data) { *static_cast<bool*>(data) = true; }, &isAsked);
    std::vector<Block> blocks(200);
    for (Block& block : blocks) CHECK(user.take(1000, &block) == 0);
    for (const Block& block : blocks) CHECK(user.give(block) == 0);
    CHECK(user.cachedBlocks() > 0);

    clock.advance(decayMs / 2 - kTick);
    turn(heap);
    CHECK(!isAsked, "the cache is asked too early");
    clock.advance(kTick);
    turn(heap);
    CHECK(isAsked && user.cachedBlocks() > 0);
    heap.serveReclaim(user.cache());
    CHECK(user.cachedBlocks() == 0);
    checkGoesBackAfter(decayMs - decayMs / 2, clock, heap, heap.stats().committed);
}

}  // namespace

void testDecayTime(const Options&) {
    CHECK(HeapOptions{}.decayMs == 10'000);
    HeapOptions hour;
    hour.decayMs = 3'600'000;
    for (const HeapOptions& options : {HeapOptions{}, hour}) {
        context() = "decay-time";
        giveBackInTime(options, options.decayMs);
        giveBackWhatCachesHold(options, options.decayMs);
    }
    startAgain();
    askAgain(HeapOptions{});
    HeapOptions conservative;
    conservative.conservative = true;
    conservative.decayMs = 0;
    askAgain(conservative);
    std::printf("decay-time: done\n");
}

}  // namespace test
