#include "book.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <set>

#include "check.h"
#include "content.h"

namespace test {

using namespace daxkind;

namespace {

using Long = unsigned long long;

uint64_t endOf(const Block& block) {
    return block.offset + block.bytes;
}

void checkSame(const char* what, uint64_t is, uint64_t shouldBe) {
    CHECK(is == shouldBe, "%s is %llu and should be %llu", what, (Long)is, (Long)shouldBe);
}

}  // namespace

// ---- Blocks ---------------------------------------------------------------------------------------------------------

void Book::checkPlace(const Block& block, uint64_t alignment) const {
    const uint64_t segment = 1ull << kSegmentShift;
    CHECK(block.bytes > 0 && block.offset <= region_->capacity() && block.bytes <= region_->capacity() - block.offset,
          "[%llu, %llu) is not in the region", (Long)block.offset, (Long)endOf(block));
    CHECK(reinterpret_cast<uint64_t>(region_->base() + block.offset) % alignment == 0,
          "offset %llu is not aligned to %llu", (Long)block.offset, (Long)alignment);
    CHECK(block.bytes > segment || block.offset / segment == (endOf(block) - 1) / segment,
          "[%llu, %llu) lies across the border of two segments", (Long)block.offset, (Long)endOf(block));
    const auto next = places_.lower_bound(block.offset);
    CHECK(next == places_.end() || next->first >= endOf(block), "[%llu, %llu) overlaps the block at %llu",
          (Long)block.offset, (Long)endOf(block), (Long)next->first);
    CHECK(next == places_.begin() || endOf(held_[std::prev(next)->second].block) <= block.offset,
          "[%llu, %llu) overlaps the block at %llu", (Long)block.offset, (Long)endOf(block),
          (Long)std::prev(next)->first);
    const auto* const fake = dynamic_cast<const FakeRegion*>(region_);
    CHECK(fake == nullptr || fake->isBacked(block.offset, endOf(block)), "[%llu, %llu) is not committed",
          (Long)block.offset, (Long)endOf(block));
}

void Book::checkNotLost(uint64_t from, uint64_t to) const {
    if (from == to) return;
    const auto next = lost_.lower_bound(to);
    CHECK(next == lost_.begin() || std::prev(next)->second <= from, "[%llu, %llu) is lost", (Long)from, (Long)to);
}

void Book::add(const Held& held) {
    places_[held.block.offset] = held_.size();
    held_.push_back(held);
    blocks_[held.block.sizeClass]++;
    bytes_ += held.block.bytes;
    if (held.block.isRun()) runBytes_ += held.block.bytes;
}

void Book::setReference(uint64_t offset, uint64_t generation, ReferenceSort sort) {
    Held& held = held_[places_.at(offset)];
    if (held.isQuarantined()) quarantined_[held.block.sizeClass].subtract(held.block.bytes);
    held.generation = generation;
    held.sort = sort;
    if (held.isQuarantined()) quarantined_[held.block.sizeClass].add(held.block.bytes);
}

void Book::forget(size_t index) {
    const Block block = held_[index].block;
    if (held_[index].isQuarantined()) quarantined_[block.sizeClass].subtract(block.bytes);
    blocks_[block.sizeClass]--;
    bytes_ -= block.bytes;
    if (block.isRun()) runBytes_ -= block.bytes;
    places_.erase(block.offset);
    if (index != held_.size() - 1) {
        held_[index] = held_.back();
        places_[held_[index].block.offset] = index;
    }
    held_.pop_back();
}

void Book::take(const Block& block, uint64_t alignment, uint64_t user) {
    checkPlace(block, alignment);
    checkNotLost(block.offset, endOf(block));
    hold(block, user);
}

void Book::hold(const Block& block, uint64_t user) {
    add({block, ++seeds_, user});
    writeContent(region_->base() + block.offset, block.bytes, seeds_);
}

void Book::give(uint64_t offset) {
    const size_t index = places_.at(offset);
    check(held_[index], held_[index].block.bytes);
    forget(index);
}

void Book::resize(const Block& block) {
    const size_t index = places_.at(block.offset);
    check(held_[index], std::min(held_[index].block.bytes, block.bytes));
    const uint64_t user = held_[index].user;
    const uint64_t had = held_[index].block.bytes;
    forget(index);
    // What the block had before may be lost. That is its holder's affair.
    checkPlace(block, 1);
    checkNotLost(block.offset + std::min(had, block.bytes), endOf(block));
    hold(block, user);
}

void Book::move(uint64_t offset, uint64_t to) {
    Held held = held_[places_.at(offset)];
    held.block.offset = to;
    checkPlace(held.block, 16);
    checkNotLost(to, endOf(held.block));
    std::memcpy(region_->base() + to, region_->base() + offset, held.block.bytes);
    add(held);
}

void Book::check(const Held& held, uint64_t cut) const {
    checkContent(region_->base() + held.block.offset, held.block.bytes, held.seed, cut);
}

void Book::checkContents() const {
    for (const Held& held : held_) check(held, held.block.bytes);
}

// ---- Statistics -----------------------------------------------------------------------------------------------------

void Book::checkStats(const std::vector<CacheUser*>& users) {
    uint64_t cachedBytes = 0;
    for (const CacheUser* user : users) cachedBytes += user->cachedBytes();
    highWater_ = std::max(highWater_, bytes_ + cachedBytes);
    const HeapStats stats = heap_->stats();
    const uint64_t unit = 1ull << heap_->unitShift();
    checkSame("capacity", stats.capacity, region_->capacity());
    Amount quarantined;
    for (const Amount& amount : quarantined_) {
        quarantined.blocks += amount.blocks;
        quarantined.bytes += amount.bytes;
    }
    checkSame("blocks", stats.blocks, held_.size() - quarantined.blocks);
    checkSame("allocated", stats.allocated, bytes_ - quarantined.bytes);
    checkSame("cached", stats.cached, cachedBytes + quarantined.bytes);
    checkSame("highWater", stats.highWater, highWater_);
    const uint64_t all = region_->capacity() / unit * unit;
    CHECK(hasLost() || stats.lost == 0);
    // What is lost inside a slab counts as active.
    CHECK(stats.free + stats.active <= all && stats.free + stats.active + stats.lost >= all,
          "of %llu bytes %llu are free, %llu active, %llu lost", (Long)all, (Long)stats.free, (Long)stats.active,
          (Long)stats.lost);
    CHECK(stats.active >= stats.allocated + stats.cached);
    CHECK(stats.largestFree <= stats.free && (stats.largestFree > 0) == (stats.free > 0));
    const auto* const fake = dynamic_cast<const FakeRegion*>(region_);
    if (!region_->isElastic()) {
        checkSame("committed", stats.committed, region_->capacity());
    } else if (fake != nullptr) {
        // Storage that could not be taken back may still be there.
        CHECK(fake->decommitFailures > 0 ? stats.committed <= fake->committed() : stats.committed == fake->committed(),
              "%llu bytes are committed, but %llu are booked", (unsigned long long)fake->committed(),
              (unsigned long long)stats.committed);
    } else {
        // A file system may count blocks of its own. tmpfs has none.
        CHECK(stats.committed <= static_cast<uint64_t>(region_->resident()));
    }
    CHECK(heap_->isHeld() == !users.empty());
    checkClasses(users);
}

void Book::checkClasses(const std::vector<CacheUser*>& users) const {
    const ClassUses uses = heap_->classUses();
    for (uint32_t code = 0; code <= kRunCode; code = code + 1 == kSlabClasses ? kRunCode : code + 1) {
        const ClassUse& use = uses[std::min(code, kSlabClasses)];
        const Amount& quarantined = quarantined_[code];
        uint64_t cached = quarantined.blocks;
        uint64_t cachedBytes = quarantined.bytes;
        const uint32_t last = code == kRunCode ? kMagazines : code + 1;
        for (const CacheUser* user : users) {
            for (uint32_t magazine = code; magazine < last; magazine++) {
                cached += user->cachedIn(magazine);
                cachedBytes += user->cachedIn(magazine) * user->sizeIn(magazine);
            }
        }
        const uint64_t bytes = code == kRunCode ? runBytes_ : blocks_[code] * classSize(code);
        checkSame("blocks of a class", use.blocks, blocks_[code] - quarantined.blocks);
        checkSame("bytes of a class", use.bytes, bytes - quarantined.bytes);
        checkSame("cached blocks of a class", use.cachedBlocks, cached);
        checkSame("cached bytes of a class", use.cachedBytes, cachedBytes);
        if (code == kRunCode) return;
        CHECK(use.slots >= use.blocks + use.cachedBlocks);
        CHECK(hasLost() || (use.slots >= use.slabs && (use.slots == 0) == (use.slabs == 0)));
    }
}

void Book::checkRawTables() const {
    RawTables tables;
    CHECK(heap_->rawTables(&tables) == 0);
    const auto* const unitMap = CacheUser::table<uint32_t>(tables.unitMap);
    const auto* const descriptors = CacheUser::table<uint32_t>(tables.descriptors);
    const auto* const classes = CacheUser::table<uint8_t>(tables.classes);
    std::set<uint64_t> numbers;
    for (const Held& held : held_) {
        const uint64_t unit = held.block.offset >> heap_->unitShift();
        CHECK(unit < tables.unitMap.bytes / 4);
        const uint32_t tag = unitMap[unit] >> RunAllocator::kTagShift;
        const uint32_t value = unitMap[unit] & ((1u << RunAllocator::kTagShift) - 1);
        if (held.block.isRun()) {
            CHECK(tag == RunAllocator::kLarge >> RunAllocator::kTagShift && value == held.block.units);
            CHECK(unit < tables.states.bytes / 2 && classes[unit >> kGroupShift] == 0);
            continue;
        }
        CHECK(tag == RunAllocator::kSlab >> RunAllocator::kTagShift);
        const uint64_t word = uint64_t{value} * kDescriptorWords;
        CHECK((word + kSlabBits) * 4 <= tables.descriptors.bytes, "descriptor %u is not in the table", value);
        const auto* const slab = descriptors + word;
        const uint64_t start = uint64_t{slab[kSlabStart]} << heap_->unitShift();
        CHECK((slab[kSlabShape] & ((1u << kSlabClassBits) - 1)) == held.block.sizeClass);
        const uint64_t number =
            (uint64_t{slab[kSlabGroup]} << kGroupShift) + (held.block.offset - start) / classSize(held.block.sizeClass);
        CHECK(number < tables.states.bytes / 2, "the state of a slot is not in the table");
        const uint64_t group = number >> kGroupShift;
        CHECK(tables.slabs.bytes / 4 == tables.states.bytes / 2 >> kGroupShift &&
                  tables.classes.bytes == tables.slabs.bytes / 4,
              "a number is in one table, but not in another");
        CHECK(CacheUser::table<uint32_t>(tables.slabs)[group] == value);
        CHECK(classes[group] == held.block.sizeClass + 1, "the group of a slot is of another class");
        CHECK(numbers.insert(number).second, "two slots share number %llu", (Long)number);
    }
}

}  // namespace test
