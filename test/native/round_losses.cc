// Parts of the region are lost. Free memory there is never handed out again. The same holds for a block there once it
// is given back.
#include <algorithm>
#include <cstdio>

#include "round.h"

namespace test {

using namespace daxkind;

namespace {

constexpr uint64_t kPage = 4096;

}  // namespace

void Round::lose() {
    const uint64_t capacity = book_.region()->capacity();
    uint64_t from = random_.below(capacity);
    if (!book_.isEmpty() && random_.percent(60)) {
        const Block& block = anyHeld().block;
        from = block.offset + random_.below(block.bytes);
    }
    from = from / kPage * kPage;
    const uint64_t length = random_.percent(80) ? kPage : kPage * (1 + random_.below(64));
    const uint64_t to = std::min(from + length, capacity);
    if (isVerbose_) std::printf("lose [%llu, %llu)\n", (unsigned long long)from, (unsigned long long)to);
    // Memory without storage is not lost, because it gets new storage.
    const auto isThere = [this](uint64_t at) {
        return fake_ == nullptr || !plan_.isElastic || fake_->isBacked(at, at + 1);
    };
    for (uint64_t at = from; at < to; at += kPage) {
        if (isThere(at)) book_.lose(at, std::min(at + kPage, to));
    }
    std::vector<LostPlace> places = heap_.lose(from, to - from);
    CHECK(std::is_sorted(places.begin(), places.end(),
                         [](const LostPlace& a, const LostPlace& b) { return a.offset < b.offset; }));
    for (size_t index = 0; index < book_.count(); index++) {
        const Book::Held& held = book_.at(index);
        const Block& block = held.block;
        // Held blocks have storage.
        const bool isHit = block.offset < to && from < block.offset + block.bytes;
        const auto place = std::find_if(places.begin(), places.end(), [&held](const LostPlace& each) {
            const bool isFree = each.sort == LostPlace::Sort::kFree;
            return isFree == held.isQuarantined() && each.offset == held.block.offset;
        });
        if (!isHit && place != places.end()) {
            // A unit is lost as a whole.
            const uint64_t unit = 1ull << heap_.unitShift();
            CHECK(block.offset < (to + unit - 1) / unit * unit && from / unit * unit < block.offset + block.bytes);
        }
        CHECK(!isHit || place != places.end(), "the block at %llu was not reported", (unsigned long long)block.offset);
        if (place == places.end()) continue;
        CHECK(place->length == block.bytes);
        CHECK((place->sort == LostPlace::Sort::kRaw) == held.isRaw &&
              (!held.isRaw || (place->generation | kHandleOut) == held.handle.out));
        CHECK((place->sort == LostPlace::Sort::kReferenced) == (held.generation != 0 && !held.isQuarantined()));
        CHECK(held.generation == 0 || place->reference.generation == held.generation);
        places.erase(place);
    }
    for (const LostPlace& place : places) {
        CHECK(place.sort == LostPlace::Sort::kFree, "nobody holds the block at %llu", (unsigned long long)place.offset);
    }
    // Each thread is asked for what its cache holds. It answers in a turn of its event loop.
    for (const auto& user : users_) heap_.serveReclaim(user->cache());
}

}  // namespace test
