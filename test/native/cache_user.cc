#include "cache_user.h"

#include <cerrno>

#include "check.h"

namespace test {

using namespace daxkind;

namespace {

constexpr uint64_t kQuantum = 16;

uint32_t firstWord(uint32_t code) {
    return magazineOf(code) << kMagazineShift;
}

}  // namespace

int CacheUser::join() {
    const int error = cache_.open();
    if (error != 0) return error;
    const int refused = heap_->attach(&cache_);
    hasJoined_ = refused == 0;
    return refused;
}

void CacheUser::leave() {
    heap_->detach(&cache_);
    hasJoined_ = false;
}

CacheUser::~CacheUser() {
    if (!hasJoined_) return;
    leave();
    heap_->abandon(cache_.owner);
}

uint32_t CacheUser::load(uint32_t word) const {
    return static_cast<uint32_t>(cache_.words()[word]);
}

void CacheUser::store(uint32_t word, uint32_t value) {
    cache_.words()[word] = static_cast<int32_t>(value);
}

bool CacheUser::pop(uint32_t code, uint64_t* offset) {
    const uint32_t magazine = firstWord(code);
    const uint32_t top = load(magazine + kMagazineTop);
    if (top == 0 || load(magazine + kMagazineCode) != code) return false;
    *offset = offsetAt(magazine + top);
    store(magazine + kMagazineTop, top - 2);
    if (code >= kRunCode) store(kCachedUnitsWord, load(kCachedUnitsWord) - unitsOf(code));
    return true;
}

uint64_t CacheUser::offsetAt(uint32_t word) const {
    const uint32_t segment = load(word);
    if (static_cast<int32_t>(segment) == kByNumber) return offsetOf(load(word + 1));
    return (uint64_t{segment} << kSegmentShift) + load(word + 1);
}

bool CacheUser::pushNumber(uint32_t sizeClass, uint64_t number) {
    const uint32_t magazine = firstWord(sizeClass);
    const uint32_t top = load(magazine + kMagazineTop) + 2;
    if (number > INT32_MAX || top > load(magazine + kMagazineLimit)) return false;
    store(magazine + top, static_cast<uint32_t>(kByNumber));
    store(magazine + top + 1, static_cast<uint32_t>(number));
    store(magazine + kMagazineTop, top);
    return true;
}

bool CacheUser::push(uint32_t code, uint64_t units, uint64_t offset) {
    const uint32_t magazine = firstWord(code);
    const uint32_t top = load(magazine + kMagazineTop) + 2;
    if (top > load(magazine + kMagazineLimit) || load(magazine + kMagazineCode) != code) return false;
    const uint64_t cached = load(kCachedUnitsWord) + units;
    if (cached > load(kCachedUnitsLimitWord) && units > 0) return false;
    store(kCachedUnitsWord, static_cast<uint32_t>(cached));
    store(magazine + top, static_cast<uint32_t>(offset >> kSegmentShift));
    store(magazine + top + 1, static_cast<uint32_t>(offset & ((1ull << kSegmentShift) - 1)));
    store(magazine + kMagazineTop, top);
    return true;
}

uint64_t CacheUser::unitsFor(uint64_t size) const {
    const uint64_t unit = 1ull << heap_->unitShift();
    return (size + unit - 1) / unit;
}

Block CacheUser::run(uint64_t offset, uint64_t units) const {
    return {offset, kRunCode, units, units << heap_->unitShift()};
}

bool CacheUser::isKnownToFail(uint32_t code) const {
    if (code >= kRunCode) return unitsOf(code) >= load(kFailedUnitsWord);
    return (load(kFailedClassesWord + code / 32) >> (code % 32) & 1) != 0;
}

int CacheUser::takeSlot(uint32_t sizeClass, Block* block) {
    *block = {0, sizeClass, 0, classSize(sizeClass)};
    if (pop(sizeClass, &block->offset)) return 0;
    const bool isFailing = isKnownToFail(sizeClass);
    if (isFailing && isTrusting_) return -ENOMEM;
    const int error = heap_->refill(&cache_, sizeClass);
    if (error != 0) return error;
    CHECK(!isFailing, "class %u is marked as failed, but there is memory", sizeClass);
    CHECK(pop(sizeClass, &block->offset), "a refill of class %u gave nothing", sizeClass);
    return 0;
}

int CacheUser::takeRun(uint64_t units, uint64_t alignment, Block* block) {
    *block = run(0, units);
    // JavaScript compares with the capacity before it asks, so every length in units fits into 32 bits.
    if (units > (capacity_ >> heap_->unitShift()) + 1) return -ENOMEM;
    // No cache holds a run that is so long that its code needs more bits.
    const bool isCode = alignment == 1 && hasCode(units);
    if (isCode && pop(codeOfRun(static_cast<uint32_t>(units)), &block->offset)) return 0;
    const bool isFailing = isCode && isKnownToFail(codeOfRun(static_cast<uint32_t>(units)));
    if (isFailing && isTrusting_) return -ENOMEM;
    const int error = heap_->allocateRun(&cache_, static_cast<uint32_t>(units), alignment, &block->offset);
    CHECK(error != 0 || !isFailing, "runs of %llu units are marked as failed, but there is memory",
          static_cast<unsigned long long>(units));
    return error;
}

int CacheUser::take(uint64_t size, Block* block) {
    if (size <= kMaxSlabSize) return takeSlot(classOf(static_cast<uint32_t>(size)), block);
    return takeRun(unitsFor(size), 1, block);
}

int CacheUser::takeAligned(uint64_t size, uint64_t alignment, Block* block) {
    if (alignment <= kQuantum) return take(size, block);
    // Slabs begin at a unit. So if the size of a class is a multiple of the alignment, all of its slots are aligned.
    const uint64_t rounded = (size + alignment - 1) / alignment * alignment;
    if (rounded <= kMaxSlabSize && alignment <= 1ull << heap_->unitShift()) {
        for (uint32_t index = classOf(static_cast<uint32_t>(rounded)); index < kSlabClasses; index++) {
            if (classSize(index) % alignment == 0) return takeSlot(index, block);
        }
    }
    return takeRun(unitsFor(size), alignment, block);
}

int CacheUser::give(const Block& block) {
    const uint64_t most = load(kCachedUnitsLimitWord);
    if (block.isRun() && block.units > most / 2) return giveDirectly(block.offset);
    const uint32_t code = block.isRun() ? codeOfRun(static_cast<uint32_t>(block.units)) : block.sizeClass;
    if (push(code, block.units, block.offset)) return 0;
    if (!block.isRun() && load(firstWord(code) + kMagazineLimit) == 0) return giveDirectly(block.offset);
    const int error = heap_->drain(&cache_, code);
    if (push(code, block.units, block.offset)) return error;
    return giveDirectly(block.offset);
}

bool CacheUser::plant(uint32_t sizeClass, uint64_t offset) {
    return push(sizeClass, 0, offset);
}

int CacheUser::giveDirectly(uint64_t offset) {
    return heap_->free(&cache_, offset);
}

// ---- Raw handles ----------------------------------------------------------------------------------------------------

RawTables CacheUser::tables() const {
    RawTables tables;
    CHECK(heap_->rawTables(&tables) == 0);
    return tables;
}

SharedWord<uint16_t>& CacheUser::stateOf(const Handle& handle) {
    return static_cast<SharedWord<uint16_t>*>(tables().states.data)[handle.number];
}

uint64_t CacheUser::offsetOf(uint64_t number) const {
    const RawTables all = tables();
    const uint32_t index = table<uint32_t>(all.slabs)[number >> kGroupShift];
    const auto* const slab = table<uint32_t>(all.descriptors) + size_t{index} * kDescriptorWords;
    const uint32_t sizeClass = table<uint8_t>(all.classes)[number >> kGroupShift] - 1u;
    CHECK((slab[kSlabShape] & ((1u << kSlabClassBits) - 1)) == sizeClass, "a group is not of its slab's class");
    const uint64_t slot = number - (uint64_t{slab[kSlabGroup]} << kGroupShift);
    return (uint64_t{slab[kSlabStart]} << heap_->unitShift()) + slot * classSize(sizeClass);
}

bool CacheUser::owns(const Handle& handle) {
    const RawTables all = tables();
    if (all.owners.bytes == 0) return true;
    const uint64_t group = handle.number >> kGroupShift;
    const uint32_t owner = table<uint16_t>(all.owners)[handle.number];
    if (table<uint8_t>(all.classes)[group] == 0) return owner == cache_.owner;
    const uint32_t index = table<uint32_t>(all.slabs)[group];
    const auto* const slab = table<uint32_t>(all.descriptors) + size_t{index} * kDescriptorWords;
    const uint32_t ownerOfSlab = (slab[kSlabFree] >> kSlabOwnerShift) % kMostOwners;
    return (ownerOfSlab == kManyOwners ? owner : ownerOfSlab) == cache_.owner;
}

Handle CacheUser::makeHandle(const Block& block) {
    const RawTables all = tables();
    const uint32_t unit = static_cast<uint32_t>(block.offset >> heap_->unitShift());
    Handle handle{numberOfUnit(unit), 0};
    if (!block.isRun()) {
        constexpr uint32_t kIndexMask = (1u << RunAllocator::kTagShift) - 1;
        const uint64_t index = table<uint32_t>(all.unitMap)[unit] & kIndexMask;
        const auto* const slab = table<uint32_t>(all.descriptors) + index * kDescriptorWords;
        const uint64_t start = uint64_t{slab[kSlabStart]} << heap_->unitShift();
        handle.number = (uint64_t{slab[kSlabGroup]} << kGroupShift) + (block.offset - start) / block.bytes;
    }
    SharedWord<uint16_t>& state = stateOf(handle);
    CHECK((state & kHandleOut) == 0, "a handle of a block that was just taken is out");
    handle.out = static_cast<uint16_t>((state + 1) % kHandleOut) | kHandleOut;
    state = handle.out;
    return handle;
}

int CacheUser::freeHandle(const Block& block, const Handle& handle) {
    return freeHandle(block, handle, owns(handle));
}

int CacheUser::freeHandle(const Block& block, const Handle& handle, bool isOwn) {
    if (!isOwn) return heap_->freeRaw(&cache_, handle.number, handle.out, -1);
    if (!stateOf(handle).exchange(handle.out, handle.out & static_cast<uint16_t>(~kHandleOut))) return -EINVAL;
    if (!block.isRun() && pushNumber(block.sizeClass, handle.number)) return 0;
    return give(block);
}

int CacheUser::resize(Block* block, uint64_t size) {
    const uint64_t units = unitsFor(size);
    const int error = heap_->resizeRun(&cache_, block->offset, static_cast<uint32_t>(units));
    if (error == 0) *block = run(block->offset, units);
    return error;
}

int CacheUser::takeFuller(const Block& block, uint64_t* better) {
    return heap_->takeFuller(&cache_, block.offset, better);
}

uint64_t CacheUser::purge() {
    return heap_->purge(&cache_);
}

int CacheUser::drain(uint32_t magazine) {
    const bool isRun = magazine >= kRunCode;
    return heap_->drain(&cache_, isRun ? load((magazine << kMagazineShift) + kMagazineCode) : magazine);
}

uint64_t CacheUser::cachedBlocks() const {
    uint64_t blocks = 0;
    for (uint32_t index = 0; index < kMagazines; index++) {
        blocks += cachedIn(index);
    }
    return blocks;
}

uint64_t CacheUser::cachedBytes() const {
    uint64_t bytes = 0;
    for (uint32_t index = 0; index < kMagazines; index++) bytes += cachedIn(index) * sizeIn(index);
    return bytes;
}

uint64_t CacheUser::sizeIn(uint32_t magazine) const {
    if (magazine < kSlabClasses) return classSize(magazine);
    const uint32_t code = load((magazine << kMagazineShift) + kMagazineCode);
    return static_cast<uint64_t>(unitsOf(code)) << heap_->unitShift();
}

std::vector<uint64_t> CacheUser::cachedOffsets() const {
    std::vector<uint64_t> offsets;
    for (uint32_t index = 0; index < kMagazines; index++) {
        const uint32_t magazine = index << kMagazineShift;
        for (uint32_t top = load(magazine + kMagazineTop); top > 0; top -= 2) {
            offsets.push_back(offsetAt(magazine + top));
        }
    }
    return offsets;
}

}  // namespace test
