// What becomes of free memory: it decays, is purged, or is kept. At the end all of it is there.
#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "fake_clock.h"
#include "round.h"
#include "syscalls/sizes.h"

namespace test {

using namespace daxkind;

namespace {

using Long = unsigned long long;
constexpr uint64_t kGiB = 1ull << 30;

}  // namespace

// Gives back what has been free for long enough. Returns the number of bytes.
uint64_t Round::decayAll() {
    uint64_t given = 0;
    ScavengeStep step;
    do {
        step = heap_.decay();
        given += step.bytes;
        // Either the first attempt could not give something back, or something will have been free for long enough in a
        // moment. The clock stands still, so that moment has to be brought about.
        if (step.nextInMs == 1) advanceClock(2);
    } while (step.nextInMs <= 1);
    const bool isAtOnce = plan_.isConservative || plan_.decayMs == 0;
    CHECK(step.nextInMs == ScavengeStep::kNever || (!isAtOnce && step.nextInMs <= plan_.decayMs));
    return given;
}

void Round::decay() {
    if (isVerbose_) std::printf("decay\n");
    const uint64_t before = committed();
    const uint64_t given = decayAll();
    const uint64_t less = before - committed();
    CHECK(plan_.decommitFailures > 0 ? given <= less : given == less);
    CHECK(!keepsStorage_ || less == 0);
}

void Round::purge() {
    if (isVerbose_) std::printf("purge\n");
    const uint64_t before = committed();
    const uint64_t given = user_->purge();
    const uint64_t less = before - committed();
    CHECK(plan_.decommitFailures > 0 ? given <= less : given == less);
    CHECK(user_->cachedBlocks() == 0);
}

void Round::purgeSome() {
    if (isVerbose_) std::printf("purge some\n");
    heap_.empty(user_->cache());
    CHECK(user_->cachedBlocks() == 0);
    const uint64_t most = random_.magnitude(book_.region()->capacity());
    for (int step = 0; step < 3; step++) {
        const uint64_t before = committed();
        const uint64_t given = heap_.purgeSome(most);
        const uint64_t less = before - committed();
        CHECK(plan_.decommitFailures > 0 ? given <= less : given == less);
        CHECK(given <= most + kGiB || plan_.capacity > kGiB);
        if (given == 0) break;
    }
}

void Round::prefault() {
    Region* const region = book_.region();
    if (region->capacity() > kGiB) return;
    if (isVerbose_) std::printf("prefault\n");
    heap_.keepStorage();
    keepsStorage_ = true;
    const int error = heap_.commit(0, region->capacity());
    CHECK(error == 0 || (fake_ != nullptr && (isOutOfRoom(error) || error == -EIO)), "unexpected error %d", error);
    if (error != 0) return;
    CHECK(committed() == region->capacity());
    CHECK(region->populate(0, region->capacity()) == 0);
    heap_.dropStray(0, region->capacity());
    CHECK(committed() == region->capacity());
}

// Gives everything back in one way or another. After that the heap must be as new.
void Round::drain() {
    while (!left_.empty()) abandonSome();
    while (!book_.isEmpty()) {
        user_ = users_[random_.below(users_.size())].get();
        give();
    }
    checkStats();
    if (fake_ != nullptr) {
        fake_->room = UINT64_MAX;
        fake_->commitFailures = 0;
        fake_->decommitFailures = 0;
    }
    const bool isPurged = random_.percent(50);
    if (isPurged) {
        for (const auto& user : users_) user->purge();
        CHECK(!plan_.isElastic || plan_.hasLosses || committed() == 0, "%llu bytes are committed after purge",
              (Long)committed());
    }
    for (const auto& user : users_) CHECK(heap_.leave(user->cache()) == (user == users_.back()));
    users_.clear();
    CacheUser last(&heap_, book_.region()->capacity());
    CHECK(last.join() == 0);
    if (plan_.decayMs > 0) heap_.purge(last.cache());
    decayAll();
    const HeapStats stats = heap_.stats();
    CHECK(stats.blocks == 0 && stats.allocated == 0 && stats.cached == 0);
    if (plan_.hasLosses) return checkRest(&last);
    CHECK(!plan_.isElastic || (keepsStorage_ && !isPurged) || stats.committed == 0,
          "%llu bytes are committed, free and do not decay", (Long)stats.committed);
    checkAsNew(&last);
}

void Round::checkAsNew(CacheUser* last) {
    const uint64_t units = book_.region()->capacity() >> heap_.unitShift();
    const HeapStats stats = heap_.stats();
    CHECK(stats.active == 0 && stats.lost == 0);
    CHECK(stats.free == units << heap_.unitShift(), "%llu bytes are free", (Long)stats.free);
    CHECK(stats.largestFree == stats.free, "the longest of several free runs has %llu bytes", (Long)stats.largestFree);
    Block all;
    int error = units == 0 ? 0 : last->takeAligned(units << heap_.unitShift(), 32, &all);
    if (isOutOfRoom(error)) {
        // The file system was full a moment ago, and the heap does not know that there is room now.
        advanceClock(kFullMs);
        error = last->takeAligned(units << heap_.unitShift(), 32, &all);
    }
    CHECK(error == 0, "unexpected error %d", error);
    CHECK(units == 0 || last->giveDirectly(all.offset) == 0);
}

// All memory that is free and not lost can be allocated, to the last unit.
void Round::checkRest(CacheUser* last) {
    const uint64_t unit = 1ull << heap_.unitShift();
    const uint64_t free = heap_.stats().free / unit;
    if (free > 16 * kKiB) return;
    // The file system was full a moment ago.
    if (plan_.room < plan_.capacity) advanceClock(kFullMs);
    for (uint64_t taken = 0; taken < free; taken++) {
        Block block{0, kRunCode, 1, unit};
        // The run is aligned, so that no cache gets another one beside it.
        const int error = heap_.allocateRun(last->cache(), 1, 32, &block.offset);
        CHECK(error == 0, "only %llu of %llu free units could be taken: %d", (Long)taken, (Long)free, error);
        book_.take(block, 32);
    }
}

}  // namespace test
