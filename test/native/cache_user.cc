#include "cache_user.h"

#include <cerrno>

#include "check.h"

namespace test {

using namespace daxkind;

namespace {

constexpr uint64_t kQuantum = 16;

// The code of a run that may be cached; a longer one has none.
uint32_t codeOf(uint64_t units) {
    return static_cast<uint32_t>(units << kUnitsShift | kRunCode | (units & (kRunMagazines - 1)));
}

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

// JavaScript's loads and stores are plain ones; other threads look at the counts meanwhile, so here they have to be
// called atomic.
uint32_t CacheUser::load(uint32_t word) const {
    return static_cast<uint32_t>(__atomic_load_n(cache_.words() + word, __ATOMIC_RELAXED));
}

void CacheUser::store(uint32_t word, uint32_t value) {
    __atomic_store_n(cache_.words() + word, static_cast<int32_t>(value), __ATOMIC_RELAXED);
}

bool CacheUser::pop(uint32_t code, uint64_t* offset) {
    const uint32_t magazine = firstWord(code);
    const uint32_t top = load(magazine + kMagazineTop);
    if (top == 0 || load(magazine + kMagazineCode) != code) return false;
    *offset = (static_cast<uint64_t>(load(magazine + top)) << kSegmentShift) + load(magazine + top + 1);
    store(magazine + kMagazineTop, top - 2);
    if (code >= kRunCode) store(kCachedUnitsWord, load(kCachedUnitsWord) - unitsOf(code));
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
    // JavaScript looks at the capacity before it asks, so that every length in units has 32 bits.
    if (units > (capacity_ >> heap_->unitShift()) + 1) return -ENOMEM;
    // No cache holds a run so long that its code needs more bits.
    const bool isCode = alignment == 1 && units < 1u << 24;
    if (isCode && pop(codeOf(units), &block->offset)) return 0;
    const bool isFailing = isCode && isKnownToFail(codeOf(units));
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
    // Slabs begin at a unit, so that a class whose size is a multiple of the alignment has aligned slots only.
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
    const uint32_t code = block.isRun() ? codeOf(block.units) : block.sizeClass;
    if (push(code, block.units, block.offset)) return 0;
    if (!block.isRun() && load(firstWord(code) + kMagazineLimit) == 0) return giveDirectly(block.offset);
    const int error = heap_->flush(&cache_, code);
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

uint16_t* CacheUser::stateOf(const Handle& handle) {
    RawTables tables;
    CHECK(heap_->rawTables(&tables) == 0);
    const uint64_t units = tables.unitMap.bytes / 4;
    if (handle.place < units) return static_cast<uint16_t*>(tables.runStates.data) + handle.place;
    return static_cast<uint16_t*>(tables.slotStates.data) + (handle.place - units);
}

bool CacheUser::owns(const Handle& handle) {
    RawTables tables;
    CHECK(heap_->rawTables(&tables) == 0);
    if (tables.runOwners.bytes == 0) return true;
    const uint64_t units = tables.unitMap.bytes / 4;
    if (handle.place < units) return static_cast<const uint16_t*>(tables.runOwners.data)[handle.place] == cache_.owner;
    const uint64_t state = handle.place - units;
    const uint64_t index = static_cast<const uint32_t*>(tables.stateSlabs.data)[state >> kStateGroupShift];
    const uint32_t* const slab = static_cast<const uint32_t*>(tables.descriptors.data) + index * kDescriptorWords;
    const uint32_t owner = (slab[kSlabFree] >> kSlabOwnerShift) % kMostOwners;
    if (owner != kManyOwners) return owner == cache_.owner;
    return static_cast<const uint16_t*>(tables.slotOwners.data)[state] == cache_.owner;
}

Handle CacheUser::makeHandle(const Block& block) {
    RawTables tables;
    CHECK(heap_->rawTables(&tables) == 0);
    const uint32_t unit = static_cast<uint32_t>(block.offset >> heap_->unitShift());
    Handle handle{unit, 0};
    if (!block.isRun()) {
        constexpr uint32_t kIndexMask = (1u << RunAllocator::kTagShift) - 1;
        const uint64_t index = static_cast<const uint32_t*>(tables.unitMap.data)[unit] & kIndexMask;
        const uint32_t* const slab = static_cast<const uint32_t*>(tables.descriptors.data) + index * kDescriptorWords;
        const uint64_t start = uint64_t{slab[kSlabStart]} << heap_->unitShift();
        const uint64_t state = uint64_t{slab[kSlabStateBase]} * 8 + (block.offset - start) / block.bytes;
        handle.place = tables.unitMap.bytes / 4 + state;
    }
    uint16_t* const state = stateOf(handle);
    const uint16_t was = __atomic_load_n(state, __ATOMIC_RELAXED);
    CHECK((was & kHandleOut) == 0, "a handle of a block that was just taken is out");
    handle.out = static_cast<uint16_t>((was + 1) % kHandleOut) | kHandleOut;
    __atomic_store_n(state, handle.out, __ATOMIC_RELEASE);
    return handle;
}

int CacheUser::freeHandle(const Block& block, const Handle& handle) {
    return freeHandle(block, handle, owns(handle));
}

int CacheUser::freeHandle(const Block& block, const Handle& handle, bool isOwn) {
    if (!isOwn) return heap_->freeRaw(&cache_, handle.place, handle.out, -1);
    uint16_t out = handle.out;
    const uint16_t freed = out & static_cast<uint16_t>(~kHandleOut);
    const bool isFirst =
        __atomic_compare_exchange_n(stateOf(handle), &out, freed, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
    return isFirst ? give(block) : -EINVAL;
}

int CacheUser::resize(Block* block, uint64_t size) {
    const uint64_t units = unitsFor(size);
    const int error = heap_->resizeRun(&cache_, block->offset, static_cast<uint32_t>(units));
    if (error == 0) *block = run(block->offset, units);
    return error;
}

int CacheUser::takeBetter(const Block& block, uint64_t* better) {
    return heap_->takeBetter(&cache_, block.offset, better);
}

uint64_t CacheUser::purge() {
    return heap_->purge(&cache_);
}

int CacheUser::flush(uint32_t magazine) {
    const bool isRun = magazine >= kRunCode;
    return heap_->flush(&cache_, isRun ? load((magazine << kMagazineShift) + kMagazineCode) : magazine);
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
            offsets.push_back((static_cast<uint64_t>(load(magazine + top)) << kSegmentShift) +
                              load(magazine + top + 1));
        }
    }
    return offsets;
}

}  // namespace test
