// What a hold on a kind leaves behind. Its blocks are free when the last one who can reach them has let go, not before,
// and only once. Another thread allocates meanwhile, for a program with -fsanitize=thread: a block that is freed too
// early belongs to somebody else.
#include "kind/owned_blocks.h"

#include <atomic>
#include <cstdio>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "cache_user.h"
#include "content.h"
#include "fake_region.h"
#include "kinds.h"
#include "syscalls/sizes.h"
#include "tests.h"

namespace test {

using namespace daxkind;

namespace {

// More blocks than one step looks at.
constexpr int kMany = 20'000;

std::shared_ptr<Kind> kindOf(uint64_t capacity) {
    return makeKind(std::make_shared<FakeRegion>(FakeRegion::Shape{capacity, true}, 1));
}

// A hold that took blocks and has ended. Its blocks are not freed while somebody has `blocks`.
struct Ending {
    std::shared_ptr<OwnedBlocks> blocks;
    uint32_t owner;

    Ending(const std::shared_ptr<Kind>& kind, int count) {
        CacheUser user(&kind->heap, kind->region->capacity());
        CHECK(user.join() == 0);
        Block block;
        for (int i = 0; i < count; i++) CHECK(user.take(i % 100 == 0 ? 10'000 : 64, &block) == 0);
        owner = user.cache()->owner;
        user.leave();
        blocks = std::make_shared<OwnedBlocks>(kind, owner);
    }
};

uint64_t blocksOf(Kind& kind) {
    return kind.heap.stats().blocks;
}

void freeWithTheLast() {
    const std::shared_ptr<Kind> kind = kindOf(64 * kMiB);
    Ending ending(kind, 100);
    // Reaches the blocks, as an ArrayBuffer does.
    std::shared_ptr<OwnedBlocks> window = ending.blocks;
    ending.blocks.reset();
    CHECK(blocksOf(*kind) == 100, "blocks that a window reaches are free");
    window.reset();
    CHECK(blocksOf(*kind) == 0, "few blocks are not free at once");
}

void freeManyInBackground() {
    const std::shared_ptr<Kind> kind = kindOf(1024 * kMiB);
    Ending ending(kind, kMany);
    ending.blocks.reset();
    until("many blocks are free", [&] { return blocksOf(*kind) == 0; });
}

void freeNowAndOnce() {
    const std::shared_ptr<Kind> kind = kindOf(1024 * kMiB);
    Ending ending(kind, kMany);
    ending.blocks->free();
    CHECK(blocksOf(*kind) == 0);
    // The thread that joins next gets the same number.
    CacheUser next(&kind->heap, kind->region->capacity());
    CHECK(next.join() == 0 && next.cache()->owner == ending.owner);
    Block block;
    CHECK(next.take(64, &block) == 0);
    ending.blocks->free();
    ending.blocks.reset();
    CHECK(blocksOf(*kind) == 1, "another hold's blocks were freed");
}

void endTheHoldBefore() {
    const std::shared_ptr<Kind> kind = kindOf(64 * kMiB);
    Ending ending(kind, 100);
    bool hasEnded = false;
    ending.blocks->keep(std::shared_ptr<void>(nullptr, [&](void*) {
        CHECK(blocksOf(*kind) == 100, "the blocks were freed before the hold had ended");
        hasEnded = true;
    }));
    CHECK(!hasEnded);
    ending.blocks.reset();
    CHECK(hasEnded && blocksOf(*kind) == 0);
}

void outliveTheKind() {
    std::shared_ptr<Kind> kind = kindOf(64 * kMiB);
    Ending first(kind, 100);
    Ending second(kind, 100);
    kind.reset();
    first.blocks->free();
    first.blocks.reset();
    second.blocks.reset();
}

void freeWhileAnotherAllocates(uint64_t seed) {
    const std::shared_ptr<Kind> kind = kindOf(256 * kMiB);
    std::atomic<bool> isOver{false};
    std::thread other([&, words = context()] {
        context() = words;
        CacheUser user(&kind->heap, kind->region->capacity());
        CHECK(user.join() == 0);
        Random random(seed);
        std::vector<std::pair<Block, uint64_t>> held;
        const auto at = [&](const Block& block) { return kind->region->base() + block.offset; };
        const auto give = [&] {
            std::swap(held[random.below(held.size())], held.back());
            const auto [block, content] = held.back();
            held.pop_back();
            checkContent(at(block), block.bytes, content, block.bytes);
            CHECK(user.give(block) == 0);
        };
        while (!isOver) {
            Block block;
            CHECK(user.take(random.magnitude(20'000), &block) == 0);
            held.emplace_back(block, random.next());
            writeContent(at(block), block.bytes, held.back().second);
            while (held.size() > 500) give();
        }
        while (!held.empty()) give();
    });
    for (int i = 0; i < 5; i++) {
        Ending ending(kind, kMany);
        std::shared_ptr<OwnedBlocks> window = ending.blocks;
        std::thread finalizer([window = std::move(window)]() mutable { window.reset(); });
        ending.blocks.reset();
        finalizer.join();
    }
    isOver = true;
    other.join();
    until("all blocks are free", [&] { return blocksOf(*kind) == 0; });
}

}  // namespace

void testOwnedBlocks(const Options& options) {
    context() = "owned-blocks";
    freeWithTheLast();
    freeManyInBackground();
    freeNowAndOnce();
    endTheHoldBefore();
    outliveTheKind();
    forRounds("owned-blocks", options, freeWhileAnotherAllocates);
}

}  // namespace test
