// What becomes of free memory: it decays, is purged, is kept; and at the end all of it is there.
#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "round.h"

namespace test {

using namespace daxkind;

namespace {

using Long = unsigned long long;
constexpr uint64_t kGiB = 1ull << 30;

}  // namespace

void Round::decay() {
    const uint32_t age = random_.percent(50) ? 0 : static_cast<uint32_t>(random_.below(100));
    if (isVerbose_) std::printf("decay %u\n", age);
    const uint64_t before = committed();
    const uint64_t given = heap_.decay(user_->cache(), age);
    const uint64_t less = before - committed();
    // A conservative heap gives some back already as the cache is emptied of runs.
    CHECK(plan_.isConservative ? given <= less : given == less);
    CHECK(!keepsStorage_ || less == 0);
    CHECK(age > 0 || plan_.decommitFailures > 0 || keepsStorage_ || !heap_.hasDirtyChunks());
}

void Round::purge() {
    if (isVerbose_) std::printf("purge\n");
    const uint64_t before = committed();
    const uint64_t given = user_->purge();
    const uint64_t less = before - committed();
    CHECK(plan_.isConservative ? given <= less : given == less);
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
        CHECK(before - committed() == given);
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

// Gives everything back, one way or another; then the heap must be as new.
void Round::drain() {
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
        CHECK(!plan_.isElastic || committed() == 0, "%llu bytes are committed after purge", (Long)committed());
    }
    heap_.decay(users_[0]->cache(), 0);
    for (const auto& user : users_) CHECK(heap_.leave(user->cache()) == (user == users_.back()));
    users_.clear();
    CacheUser last(&heap_, book_.region()->capacity());
    CHECK(last.join() == 0);
    heap_.decay(last.cache(), 0);
    const uint64_t units = book_.region()->capacity() >> heap_.unitShift();
    const HeapStats stats = heap_.stats();
    CHECK(stats.blocks == 0 && stats.allocated == 0 && stats.cached == 0 && stats.active == 0);
    CHECK(stats.free == units << heap_.unitShift(), "%llu bytes are free", (Long)stats.free);
    CHECK(stats.largestFree == stats.free, "the longest of several free runs has %llu bytes", (Long)stats.largestFree);
    // What a conservative heap could not give back when it became free stays until purge.
    const bool mayStay = keepsStorage_ || (plan_.isConservative && plan_.decommitFailures > 0);
    CHECK(!plan_.isElastic || (mayStay && !isPurged) || stats.committed == 0,
          "%llu bytes are committed, free and do not decay", (Long)stats.committed);
    Block all;
    CHECK(units == 0 || last.takeAligned(units << heap_.unitShift(), 32, &all) == 0);
    CHECK(units == 0 || last.giveDirectly(all.offset) == 0);
}

}  // namespace test
