// Several threads on one heap, each with a thread cache. They take, give, pass blocks on to one another, purge, ask for
// statistics, end with blocks in their hands, and begin anew. The thread that gives a block back checks its content. A
// block with two references is freed once. The test is for a program with -fsanitize=thread, where two blocks that
// overlap are a data race.
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "cache_user.h"
#include "content.h"
#include "fake_region.h"
#include "syscalls/sizes.h"
#include "tests.h"

namespace test {

using namespace daxkind;

namespace {

struct Held {
    Block block;
    uint64_t seed;
};

// A raw handle on its way to the thread that frees it.
struct Passed {
    Held held;
    Handle handle;
    uint64_t taker;  // Which life of which thread.
};

// A reference that two threads have.
struct Shared {
    uint64_t offset;
    uint64_t generation;
};

// Things on their way from one thread to another.
template <typename Letter>
class Mailbox {
  public:
    void put(const Letter& letter) {
        const std::lock_guard<std::mutex> lock(mutex_);
        letters_.push_back(letter);
    }
    bool get(Random* random, Letter* letter) {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (letters_.empty()) return false;
        std::swap(letters_[random->below(letters_.size())], letters_.back());
        *letter = letters_.back();
        letters_.pop_back();
        return true;
    }

  private:
    std::mutex mutex_;
    std::vector<Letter> letters_;
};

// What all threads share.
struct Common {
    Heap heap;
    bool hasLosses = false;  // Pages of the region are lost meanwhile.
    Mailbox<Passed> blocks;
    std::atomic<uint64_t> lives{0};
    Mailbox<Shared> references;
    // Each reference is handed out twice, and must be freed once.
    std::atomic<int> referencesMade{0};
    std::atomic<int> referencesFreed{0};
};

class Worker {
  public:
    Worker(Common* common, const Region& region, uint64_t seed) : common_(common), region_(region), random_(seed) {}

    void run(uint32_t operations) {
        join();
        for (uint32_t i = 0; i < operations; i++) operate();
        // Some threads leave their last blocks to others, or to nobody.
        while (held_.size() > 10) pass();
        while (giveForeign()) continue;
        while (freeShared()) continue;
        end();
    }

  private:
    void join() {
        user_ = std::make_unique<CacheUser>(&common_->heap, region_.capacity());
        CHECK(user_->join() == 0);
        life_ = ++common_->lives;
        // Behaves as a thread that serves its event loop now and then.
        common_->heap.setWake(
            user_->cache(), [](void* data) { static_cast<std::atomic<bool>*>(data)->store(true); }, &isAsked_);
    }

    // Ends the user. What it holds is free then.
    void end() {
        for (const Held& held : held_) check(held);
        held_.clear();
        user_.reset();
    }

    void operate() {
        if (isAsked_.exchange(false)) common_->heap.serveReclaim(user_->cache());
        if (common_->hasLosses && random_.below(400) == 0) return lose();
        const uint64_t die = random_.below(2000);
        if (die < 1000) return take();
        if (die < 1700) return giveAny();
        if (die < 1800) return pass();
        if (die < 1850) return void(giveForeign());
        if (die < 1880) return share();
        if (die < 1910) return void(freeShared());
        if (die < 1930) return defragment();
        if (die < 1955) return resize();
        if (die < 1990) return checkStats();
        if (die < 1997) return void(user_->purge());
        // Behaves as a worker that ends, followed by another one that begins.
        end();
        join();
    }

    void take() {
        const uint64_t most = random_.percent(70) ? kMaxSlabSize : region_.capacity() / 16;
        Block block;
        const int error = random_.percent(95) ? user_->take(random_.magnitude(most), &block)
                                              : user_->takeAligned(random_.magnitude(most), 4096, &block);
        CHECK(error == 0 || error == -ENOMEM || error == -ENOSPC, "unexpected error %d", error);
        if (error != 0) return giveAny();
        const uint64_t seed = random_.next();
        writeContent(region_.base() + block.offset, block.bytes, seed);
        held_.push_back({block, seed});
    }

    void giveAny() {
        if (held_.empty()) return;
        std::swap(held_[random_.below(held_.size())], held_.back());
        give(held_.back());
        held_.pop_back();
    }

    void check(const Held& held) const {
        checkContent(region_.base() + held.block.offset, held.block.bytes, held.seed, held.block.bytes);
    }

    void give(const Held& held) {
        check(held);
        const int error = user_->give(held.block);
        CHECK(error == 0, "the block at %llu was refused: %d", (unsigned long long)held.block.offset, error);
    }

    void pass() {
        if (held_.empty()) return;
        common_->blocks.put({held_.back(), user_->makeHandle(held_.back().block), life_});
        held_.pop_back();
    }

    bool giveForeign() {
        Passed passed;
        if (!common_->blocks.get(&random_, &passed)) return false;
        check(passed.held);
        const int error = user_->freeHandle(passed.held.block, passed.handle, passed.taker == life_);
        CHECK(error == 0, "the handle of %llu was refused: %d", (unsigned long long)passed.held.block.offset, error);
        return true;
    }

    void share() {
        if (held_.empty()) return;
        const Block block = held_.back().block;
        held_.pop_back();
        const uint64_t generation = common_->heap.reference(block.offset, block.bytes, 0, ReferenceSort::kShared);
        common_->referencesMade++;
        for (int i = 0; i < 2; i++) common_->references.put({block.offset, generation});
    }

    bool freeShared() {
        Shared shared;
        if (!common_->references.get(&random_, &shared)) return false;
        Reference reference;
        uint32_t code;
        uint32_t units;
        const int found = common_->heap.dereference(shared.offset, shared.generation, &reference, &code, &units);
        const int error = common_->heap.freeReferenced(user_->cache(), shared.offset, shared.generation);
        CHECK(error == 0 || error == -ESTALE, "unexpected error %d", error);
        CHECK(error != 0 || found == 0, "a stale block was freed");
        if (error == 0) common_->referencesFreed++;
        return true;
    }

    void defragment() {
        if (held_.empty() || held_.back().block.isRun()) return;
        Held& held = held_.back();
        uint64_t better;
        if (user_->takeFuller(held.block, &better) != 0) return;
        std::memcpy(region_.base() + better, region_.base() + held.block.offset, held.block.bytes);
        CHECK(user_->giveDirectly(held.block.offset) == 0);
        held.block.offset = better;
    }

    void resize() {
        if (held_.empty() || !held_.back().block.isRun()) return;
        Held& held = held_.back();
        const uint64_t had = held.block.bytes;
        const int error = user_->resize(&held.block, random_.magnitude(2 * had));
        CHECK(error == 0 || error == -ENOMEM || error == -ENOSPC, "unexpected error %d", error);
        char* const content = region_.base() + held.block.offset;
        checkContent(content, had, held.seed, std::min(had, held.block.bytes));
        writeContent(content, held.block.bytes, held.seed);
    }

    // The others work meanwhile, so nobody knows what a block is. But it is in the region.
    void lose() {
        const uint64_t from = random_.below(region_.capacity() / 4096) * 4096;
        for (const LostPlace& place : common_->heap.lose(from, 4096)) {
            CHECK(place.offset < from + 4096 && from < place.offset + place.length);
        }
    }

    // Others work meanwhile. The counts of their caches may be a moment old, but no number is nonsense.
    void checkStats() {
        const HeapStats stats = common_->heap.stats();
        CHECK(stats.free + stats.active <= stats.capacity && stats.free + stats.active + stats.lost >= stats.capacity);
        CHECK(common_->hasLosses || stats.lost == 0);
        CHECK(stats.allocated <= stats.active && stats.committed <= stats.capacity);
        CHECK(stats.cached <= 2 * stats.capacity);
    }

    Common* const common_;
    const Region& region_;
    Random random_;
    std::unique_ptr<CacheUser> user_;
    uint64_t life_ = 0;
    std::atomic<bool> isAsked_{false};
    std::vector<Held> held_;
};

void runRound(uint64_t seed, const Options& options) {
    Random random(seed);
    FakeRegion region({(8 + random.below(24)) * 2 * kMiB, true}, random.next());
    if (random.percent(30)) region.room = random.below(region.capacity());
    Common common;
    common.hasLosses = random.percent(40);
    HeapOptions heapOptions;
    heapOptions.conservative = random.percent(25);
    heapOptions.decayMs = static_cast<uint32_t>(random.below(3));
    CHECK(common.heap.open(&region, heapOptions) == 0);
    std::vector<std::unique_ptr<Worker>> workers;
    std::vector<std::thread> threads;
    threads.reserve(options.threads);
    for (uint32_t i = 0; i < options.threads; i++) {
        workers.push_back(std::make_unique<Worker>(&common, region, random.next()));
    }
    for (const auto& worker : workers) {
        threads.emplace_back([&worker, words = context()] {
            context() = words;
            worker->run(3000);
        });
    }
    // This thread gives storage back all the time.
    std::atomic<bool> isOver{false};
    std::thread decayer([&] {
        while (!isOver) common.heap.decay();
    });
    for (std::thread& thread : threads) thread.join();
    isOver = true;
    decayer.join();
    CHECK(common.referencesFreed == common.referencesMade);
    const HeapStats stats = common.heap.stats();
    CHECK(stats.blocks == 0 && stats.allocated == 0 && stats.cached == 0);
    CHECK(stats.committed == region.committed());
    if (common.hasLosses) return;
    CHECK(stats.active == 0);
    CHECK(stats.free == region.capacity() && stats.largestFree == region.capacity());
}

}  // namespace

void testThreads(const Options& options) {
    forRounds("threads", options, [&](uint64_t seed) { runRound(seed, options); });
}

}  // namespace test
