// Mistakes. The heap must refuse each one and change nothing.
#include <algorithm>
#include <cerrno>

#include "round.h"

namespace test {

using namespace daxkind;

namespace {

using Long = unsigned long long;

}  // namespace

// Whether somebody may still give back a block that begins there.
bool Round::isTaken(uint64_t offset) const {
    if (book_.has(offset)) return true;
    for (const auto& user : users_) {
        const std::vector<uint64_t> cached = user->cachedOffsets();
        if (std::find(cached.begin(), cached.end(), offset) != cached.end()) return true;
    }
    return false;
}

uint64_t Round::strayOffset() {
    const uint64_t capacity = book_.region()->capacity();
    if (book_.isEmpty() || random_.percent(30)) {
        return random_.percent(80) ? random_.below(capacity + 1) : random_.next() >> random_.below(20);
    }
    // An offset inside a block, or right behind it.
    const Block block = anyHeld().block;
    const uint64_t step = random_.percent(50) ? 1 : random_.percent(50) ? 16 : 1ull << heap_.unitShift();
    return block.offset + std::min(block.bytes, step * (1 + random_.below(block.bytes / step + 1)));
}

void Round::refuse(uint64_t offset) {
    if (isTaken(offset)) return;
    const int error = user_->giveDirectly(offset);
    CHECK(error == -EINVAL, "no block begins at %llu, but freeing it gave %d", (Long)offset, error);
    uint64_t better;
    CHECK(heap_.takeFuller(user_->cache(), offset, &better) != 0, "no block begins at %llu", (Long)offset);
}

void Round::refuseStray() {
    refuse(strayOffset());
}

void Round::refuseTwice() {
    if (given_.empty()) return;
    const auto at = given_.lower_bound(random_.below(book_.region()->capacity()));
    refuse(at == given_.end() ? *given_.begin() : *at);
}

// Puts an offset that no block has into a magazine, as a program does that writes where it must not.
void Round::refuseStrayInMagazine() {
    const uint32_t sizeClass = static_cast<uint32_t>(random_.below(kSlabClasses));
    const uint64_t offset = strayOffset() % (4 * book_.region()->capacity());
    if (isTaken(offset) || !user_->plant(sizeClass, offset)) return;
    while (user_->cachedIn(sizeClass) > 1) CHECK(user_->drain(sizeClass) == 0);
    CHECK(user_->drain(sizeClass) == -EINVAL, "the stray offset %llu was taken for a block", (Long)offset);
}

void Round::refuseStale() {
    if (stale_.empty()) return;
    const Stale stale = stale_[random_.below(stale_.size())];
    Reference reference;
    uint32_t code;
    uint32_t units;
    CHECK(heap_.dereference(stale.offset, stale.generation, &reference, &code, &units) == -ESTALE);
    CHECK(heap_.freeReferenced(user_->cache(), stale.offset, stale.generation) == -ESTALE);
    CHECK(heap_.unreference(stale.offset, stale.generation) == -ESTALE);
    CHECK(heap_.share(stale.offset, stale.generation) == -ESTALE);
}

}  // namespace test
