#include "round.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "fake_clock.h"
#include "syscalls/sizes.h"

namespace test {

using namespace daxkind;

namespace {

using Long = unsigned long long;
constexpr uint64_t kSegment = 1ull << kSegmentShift;

}  // namespace

Round::Round(const Plan& plan, Region* region, Random random, bool isVerbose)
    : plan_(plan),
      random_(random),
      isVerbose_(isVerbose),
      fake_(dynamic_cast<FakeRegion*>(region)),
      book_(&heap_, region) {
    HeapOptions options;
    options.conservative = plan.isConservative;
    options.decayMs = plan.decayMs;
    options.unitShift = plan.unitShift;
    CHECK(heap_.open(region, options) == 0);
    for (uint32_t i = 0; i < plan.users; i++) join();
}

void Round::run() {
    checkStats();
    for (uint32_t i = 0; i < plan_.operations; i++) {
        // Fills up for a while, then empties for a while.
        isFilling_ = i / 500 % 2 == 0;
        user_ = users_[random_.below(users_.size())].get();
        operate();
        checkStats();
        if (i % 100 != 99) continue;
        book_.checkContents();
        if (plan_.isRaw) book_.checkRawTables();
    }
    drain();
}

void Round::operate() {
    // No other clock moves, so a seed repeats the decay, too.
    if (random_.percent(5)) advanceClock(static_cast<uint32_t>(random_.magnitude(200)));
    if (plan_.hasLosses && random_.percent(1)) return lose();
    const uint64_t die = random_.below(1000);
    if (die < 720) return random_.percent(isFilling_ ? 62 : 38) ? take() : give();
    if (die < 790) return resize();
    if (die < 840) return takeAligned();
    if (die < 860) return defragment();
    if (die < 878) return refer();
    if (die < 890) return dereference();
    if (die < 897) return giveOut();
    if (die < 898) return end();
    if (die < 900) return abandonSome();
    if (die < 910) return refuseStale();
    if (die < 940) return refuseStray();
    if (die < 960) return refuseTwice();
    if (die < 975) return void(user_->drain(static_cast<uint32_t>(random_.below(kMagazines))));
    if (die < 984) return refuseStrayInMagazine();
    if (die < 990) return decay();
    if (die < 995) return purge();
    if (die < 999) return purgeSome();
    return prefault();
}

void Round::checkStats() {
    std::vector<CacheUser*> users;
    for (const auto& user : users_) users.push_back(user.get());
    book_.checkStats(users);
}

uint64_t Round::anySize() {
    const uint64_t capacity = book_.region()->capacity();
    if (random_.percent(60)) return random_.magnitude(kMaxSlabSize);
    if (random_.percent(80)) return random_.magnitude(std::min(capacity, kMiB));
    return random_.magnitude(capacity + 2);
}

// Checks that an allocation may fail with this error, and that the statistics agree with it.
void Round::checkFailure(int error, uint64_t bytes) {
    if (isVerbose_) std::printf("  failed: %d\n", error);
    if (error == -ENOMEM) {
        // In a region of one segment no run is refused because it would cross a border. A slab is as short as one block
        // if necessary.
        const HeapStats stats = heap_.stats();
        const uint64_t unit = 1ull << heap_.unitShift();
        CHECK(stats.capacity > kSegment || stats.largestFree < (bytes + unit - 1) / unit * unit,
              "no memory for %llu bytes, but %llu are free in one piece", (Long)bytes, (Long)stats.largestFree);
        return;
    }
    CHECK(fake_ != nullptr && plan_.isElastic, "unexpected error %d", error);
    CHECK(isOutOfRoom(error) || (error == -EIO && plan_.commitFailures > 0), "unexpected error %d", error);
    // All free storage has been given back before the failure, and what was left then was not enough. An attempt to
    // commit whole chunks may have taken some of it.
    const bool mayFail = plan_.commitFailures > 0 || plan_.decommitFailures > 0;
    const uint64_t left = fake_->room - std::min(fake_->room, fake_->committed());
    CHECK(mayFail || left < bytes + 2 * kChunkSize, "no room for %llu bytes, but there are %llu", (Long)bytes,
          (Long)left);
}

void Round::took(const char* what, uint64_t size, uint64_t alignment, int error, const Block& block) {
    if (isVerbose_) std::printf("%s %llu: %llu\n", what, (Long)size, error == 0 ? (Long)block.offset : 0);
    if (error == -ENOMEM && !block.isRun()) {
        const ClassUse use = heap_.classUses()[block.sizeClass];
        CHECK(use.slots == use.blocks + use.cachedBlocks, "no memory, but class %u has free slots", block.sizeClass);
    }
    if (error != 0) return checkFailure(error, std::max(size, block.bytes));
    CHECK(block.bytes >= size);
    given_.erase(block.offset);
    book_.take(block, alignment, user_->number);
}

void Round::take() {
    const uint64_t size = anySize();
    Block block;
    const int error = user_->take(size, &block);
    took("take", size, 16, error, block);
}

void Round::takeAligned() {
    const uint64_t alignment = 8ull << random_.below(random_.percent(95) ? 16 : 40);
    const uint64_t size = anySize();
    Block block;
    const int error = user_->takeAligned(size, alignment, &block);
    // Free memory that is not aligned does not help.
    if (error == -ENOMEM && alignment > 1ull << heap_.unitShift()) return;
    took("take aligned", size, alignment, error, block);
}

void Round::give() {
    if (book_.isEmpty()) return;
    const Book::Held held = anyHeld();
    const uint64_t offset = held.block.offset;
    if (held.isPrivate() && userOf(held) == nullptr) return abandonSome();
    if (isVerbose_) std::printf("give %llu\n", (Long)offset);
    book_.give(offset);
    int error;
    if (held.generation != 0) {
        // The garbage collector has no cache.
        ThreadCache* const cache = random_.percent(30) ? nullptr : user_->cache();
        error = heap_.freeReferenced(cache, offset, held.generation);
        stale_.push_back({offset, held.generation});
    } else if (held.isRaw) {
        error = user_->freeHandle(held.block, held.handle);
        CHECK(user_->freeHandle(held.block, held.handle) == -EINVAL, "a handle was freed twice");
    } else {
        error = userOf(held)->give(held.block);
    }
    CHECK(error == 0, "the block at %llu was refused: %d", (Long)offset, error);
    given_.insert(offset);
}

void Round::resize() {
    if (book_.isEmpty()) return;
    const Book::Held held = anyHeld();
    Block block = held.block;
    const uint64_t size = random_.percent(50) ? random_.magnitude(2 * block.bytes) : anySize();
    if (held.generation != 0 || held.isRaw || size > book_.region()->capacity() || userOf(held) == nullptr) return;
    if (isVerbose_) std::printf("resize %llu to %llu\n", (Long)block.offset, (Long)size);
    const int error = userOf(held)->resize(&block, size);
    CHECK(held.block.isRun() || error == -EINVAL, "a slot was resized: %d", error);
    if (error == 0) return book_.resize(block);
    CHECK(!held.block.isRun() || error == -ENOMEM || (plan_.isElastic && (isOutOfRoom(error) || error == -EIO)),
          "unexpected error %d", error);
}

void Round::defragment() {
    if (book_.isEmpty()) return;
    const Book::Held held = anyHeld();
    if (held.generation != 0 || held.isRaw || userOf(held) == nullptr) return;
    const uint64_t offset = held.block.offset;
    uint64_t better = 0;
    const int error = userOf(held)->takeFuller(held.block, &better);
    if (error != 0) {
        CHECK(error == -ENOENT, "unexpected error %d", error);
        return;
    }
    CHECK(!held.block.isRun());
    if (isVerbose_) std::printf("move %llu to %llu\n", (Long)offset, (Long)better);
    book_.move(offset, better);
    given_.erase(better);
    checkStats();
    book_.give(offset);
    CHECK(user_->giveDirectly(offset) == 0);
    given_.insert(offset);
}

// ---- References -----------------------------------------------------------------------------------------------------

void Round::refer() {
    if (book_.isEmpty()) return;
    const Book::Held held = anyHeld();
    const uint64_t offset = held.block.offset;
    if (held.isRaw || (held.isPrivate() && userOf(held) == nullptr)) return;
    if (held.generation != 0) {
        CHECK(heap_.relength(offset, held.generation, held.seed) == 0);
        CHECK(heap_.relength(offset, held.generation + 1, 0) == -ESTALE);
        CHECK(heap_.share(offset, held.generation + 1) == -ESTALE);
        if (!random_.percent(30)) return;
        CHECK(heap_.share(offset, held.generation) == 0);
        return book_.setReference(offset, held.generation, ReferenceSort::kShared);
    }
    const auto sort = static_cast<ReferenceSort>(random_.below(3));
    lastGeneration_ = checkNew(heap_.reference(offset, held.seed, static_cast<uint32_t>(held.seed % 64), sort));
    book_.setReference(offset, lastGeneration_, sort);
}

uint64_t Round::checkNew(uint64_t generation) const {
    CHECK(generation > lastGeneration_, "generation %llu is not new", (Long)generation);
    return generation;
}

void Round::dereference() {
    if (book_.isEmpty()) return;
    const Book::Held held = anyHeld();
    if (held.generation == 0 || (held.isPrivate() && userOf(held) == nullptr)) return;
    const uint64_t offset = held.block.offset;
    Reference reference;
    uint32_t code;
    uint32_t units;
    CHECK(heap_.dereference(offset, held.generation, &reference, &code, &units) == 0);
    CHECK(code == held.block.sizeClass && units == held.block.units);
    CHECK(reference.length == held.seed && reference.redZone == held.seed % 64 && reference.sort == held.sort);
    CHECK(heap_.dereference(offset, held.generation + 1, &reference, &code, &units) == -ESTALE);
    if (random_.percent(20)) {
        uint64_t concealed;
        CHECK(heap_.conceal(offset, held.generation, &concealed) == 0);
        lastGeneration_ = checkNew(concealed);
        stale_.push_back({offset, held.generation});
        return book_.setReference(offset, concealed, ReferenceSort::kQuarantined);
    }
    // Only the thread that has the block may end its reference.
    if (!random_.percent(20) || userOf(held) == nullptr) return;
    CHECK(heap_.unreference(offset, held.generation) == 0);
    stale_.push_back({offset, held.generation});
    book_.setReference(offset, 0, ReferenceSort::kShared);
}

// ---- Raw handles ----------------------------------------------------------------------------------------------------

void Round::giveOut() {
    if (!plan_.isRaw || book_.isEmpty()) return;
    const Book::Held held = anyHeld();
    if (held.generation != 0 || held.isRaw || userOf(held) == nullptr) return;
    if (isVerbose_) std::printf("handle of %llu\n", (Long)held.block.offset);
    book_.setHandle(held.block.offset, userOf(held)->makeHandle(held.block));
}

}  // namespace test
