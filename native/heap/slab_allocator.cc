#include "heap/slab_allocator.h"

#include <algorithm>
#include <cerrno>

namespace daxkind {

namespace {

// How many slabs of a class are looked at for one that is fuller.
constexpr int kBestOf = 256;
// The unit map has 30 bits for a descriptor's index.
constexpr uint64_t kMostGranules = 1ull << RunAllocator::kTagShift;
// With more numbers, one kind could take all numbers that there are for raw handles.
constexpr uint64_t kMostNumbers = 1ull << 35;

constexpr uint32_t granulesFor(uint32_t slots) {
    const uint32_t words = kSlabBits + (slots + 63) / 64 * 2;
    return (words + kDescriptorWords - 1) / kDescriptorWords;
}
// The most slots that a descriptor of that many granules has bits for.
constexpr uint32_t slotsFor(uint32_t granules) {
    return std::min((granules * kDescriptorWords - kSlabBits) / 2 * 64, kMaxSlots);
}
static_assert(granulesFor(kMaxSlots) == 5 && granulesFor(64) == 1);
static_assert(slotsFor(1) % (1u << kGroupShift) == 0 && slotsFor(2) % (1u << kGroupShift) == 0 &&
              slotsFor(3) % (1u << kGroupShift) == 0 && slotsFor(4) % (1u << kGroupShift) == 0 &&
              slotsFor(5) % (1u << kGroupShift) == 0);

// How many slabs with descriptors of that many granules there can be at a time: the shortest of them may take all
// memory.
uint64_t mostSlabs(const RunAllocator& runs, uint32_t granules) {
    const uint64_t leastBytes = uint64_t{granules == 1 ? 1 : slotsFor(granules - 1) + 1} * kSizeQuantum;
    const uint64_t leastUnits = ((leastBytes - 1) >> runs.unitShift()) + 1;
    return runs.totalUnits() / leastUnits;
}

}  // namespace

int SlabAllocator::open(RunAllocator* runs, Places* places, bool keepsEmpty) {
    runs_ = runs;
    places_ = places;
    keepsEmpty_ = keepsEmpty;
    std::fill_n(unused_, kSizes, kNone);
    for (uint32_t index = 0; index < kSlabClasses; index++) {
        shapes_[index] = slabShape(index, runs->unitShift());
        kept_[index] = kNone;
    }
    // The lists of the slabs that nobody owns, and of those with many owners.
    available_.resize(kFirstFurtherOwner);
    for (auto& heads : available_) heads.fill(kNone);
    // A descriptor is used again only for a slab that needs one of the same length. So there must be room for the case
    // that all memory is in slabs of each length once, one after the other.
    uint64_t most = 0;
    for (uint32_t granules = 1; granules < kSizes; granules++) most += mostSlabs(*runs, granules) * granules;
    const int error = words_.reserve(std::min(most, kMostGranules) * kDescriptorWords);
    if (error != 0) return error;
    const int failure = places->open(runs->totalUnits(), mostSlots());
    groupsMade_ = places->firstSlot() >> kGroupShift;
    return failure;
}

uint64_t SlabAllocator::mostSlots() const {
    uint64_t most = 0;
    for (uint32_t granules = 1; granules < kSizes; granules++) most += mostSlabs(*runs_, granules) * slotsFor(granules);
    return std::min(most, kMostNumbers - Places::slotsBehind(runs_->totalUnits()));
}

// ---- Descriptors and lists ------------------------------------------------------------------------------------------

uint32_t SlabAllocator::newDescriptor(uint32_t slots) {
    const uint32_t granules = granulesFor(slots);
    uint32_t index = unused_[granules];
    if (index != kNone) {
        unused_[granules] = at(index)[kSlabNext];
        return index;
    }
    const uint64_t made = wordsMade_ / kDescriptorWords;
    const uint32_t groups = slotsFor(granules) >> kGroupShift;
    if (made + granules > kMostGranules || groupsMade_ + groups > places_->numbers() >> kGroupShift) return kNone;
    index = static_cast<uint32_t>(made);
    wordsMade_ += uint64_t{granules} * kDescriptorWords;
    // The numbers stay with the descriptor, so that generations go on when another slab gets it.
    at(index)[kSlabGroup] = static_cast<uint32_t>(groupsMade_);
    for (uint32_t i = 0; i < groups; i++) places_->slabs[groupsMade_ + i] = index;
    groupsMade_ += groups;
    return index;
}

void SlabAllocator::link(uint32_t index) {
    Word* const slab = at(index);
    uint32_t& head = available_[ownerOf(slab)][classOfSlab(slab)];
    slab[kSlabPrevious] = kNone;
    slab[kSlabNext] = head;
    slab[kSlabFree] |= kListed;
    if (head != kNone) at(head)[kSlabPrevious] = index;
    head = index;
}

void SlabAllocator::unlink(uint32_t index) {
    Word* const slab = at(index);
    if (slab[kSlabPrevious] == kNone) {
        available_[ownerOf(slab)][classOfSlab(slab)] = slab[kSlabNext];
    } else {
        at(slab[kSlabPrevious])[kSlabNext] = slab[kSlabNext];
    }
    if (slab[kSlabNext] != kNone) at(slab[kSlabNext])[kSlabPrevious] = slab[kSlabPrevious];
    slab[kSlabFree] &= ~kListed;
}

int SlabAllocator::newSlab(HeapLock& lock, uint32_t owner, uint32_t sizeClass) {
    const uint64_t size = classSize(sizeClass);
    const uint32_t shift = runs_->unitShift();
    uint32_t units = shapes_[sizeClass].units;
    uint32_t start;
    int error = runs_->allocate(lock, units, 1, &start);
    // A shorter slab is better than no slab, if no run is long enough or the file system has no room for it.
    const uint32_t least = static_cast<uint32_t>(((size - 1) >> shift) + 1);
    while ((error == -ENOMEM || isOutOfRoom(error)) && units > least) {
        units = std::max(units / 2, least);
        error = runs_->allocate(lock, units, 1, &start);
    }
    if (error != 0) return error;
    const uint32_t slots =
        std::min<uint32_t>(static_cast<uint32_t>((static_cast<uint64_t>(units) << shift) / size), kMaxSlots);
    const uint32_t index = newDescriptor(slots);
    if (index == kNone) {
        runs_->release(start, units);
        return -ENOMEM;
    }
    Word* const slab = at(index);
    slab[kSlabStart] = start;
    slab[kSlabShape] = sizeClass | slots << kSlabClassBits | units << (kSlabClassBits + kSlabSlotsBits);
    slab[kSlabFree] = slots | owner << kSlabOwnerShift;
    for (uint32_t word = 0; word * 64 < slots; word++) {
        const uint32_t rest = slots - word * 64;
        setBits(slab, word, rest >= 64 ? ~0ull : (1ull << rest) - 1);
    }
    for (uint32_t i = 0; i << kGroupShift < slots; i++) {
        places_->classes[slab[kSlabGroup] + i] = static_cast<uint8_t>(sizeClass + 1);
    }
    runs_->tagSlab(start, units, index);
    link(index);
    stats_[sizeClass].slabs++;
    stats_[sizeClass].slots += slots;
    return 0;
}

void SlabAllocator::release(uint32_t index) {
    Word* const slab = at(index);
    const uint32_t sizeClass = classOfSlab(slab);
    const uint32_t slots = slotsOf(slab);
    if (isListed(slab)) unlink(index);
    if (kept_[sizeClass] == index) kept_[sizeClass] = kNone;
    runs_->clearTags(slab[kSlabStart], unitsOfSlab(slab));
    runs_->release(slab[kSlabStart], unitsOfSlab(slab));
    stats_[sizeClass].slabs--;
    stats_[sizeClass].slots -= slots;
    const uint32_t granules = granulesFor(slots);
    slab[kSlabNext] = unused_[granules];
    unused_[granules] = index;
}

void SlabAllocator::releaseEmpty() {
    for (const uint32_t slab : kept_) {
        if (slab != kNone) release(slab);
    }
}

// ---- Slots ----------------------------------------------------------------------------------------------------------

uint64_t SlabAllocator::offsetOf(const Word* slab, uint32_t slot) const {
    const uint64_t base = static_cast<uint64_t>(slab[kSlabStart]) << runs_->unitShift();
    return base + static_cast<uint64_t>(slot) * classSize(classOfSlab(slab));
}

uint32_t SlabAllocator::find(uint64_t offset, uint32_t* slot) const {
    const uint64_t unit = offset >> runs_->unitShift();
    const uint32_t index = unit < runs_->totalUnits() ? runs_->slabAt(static_cast<uint32_t>(unit)) : kNone;
    if (index == kNone) return kNone;
    const Word* const slab = at(index);
    const uint32_t size = classSize(classOfSlab(slab));
    const uint64_t inSlab = offset - (static_cast<uint64_t>(slab[kSlabStart]) << runs_->unitShift());
    *slot = static_cast<uint32_t>(inSlab / size);
    return *slot < slotsOf(slab) && inSlab % size == 0 ? index : kNone;
}

// Takes the first free slot of a word of the bitmap, which must have one.
uint64_t SlabAllocator::takeSlot(uint32_t owner, uint32_t index, uint32_t word) {
    Word* const slab = at(index);
    const uint64_t free = bits(slab, word);
    const uint32_t slot = word * 64 + static_cast<uint32_t>(__builtin_ctzll(free));
    setBits(slab, word, free & (free - 1));
    slab[kSlabFree] -= 1;
    stats_[classOfSlab(slab)].taken++;
    if (freeIn(slab) == 0) unlink(index);
    if (ownerOf(slab) == kManyOwners) places_->owners[firstNumber(slab) + slot] = static_cast<uint16_t>(owner);
    return offsetOf(slab, slot);
}

int SlabAllocator::take(HeapLock& lock, uint32_t owner, uint32_t sizeClass, uint32_t want, uint64_t* offsets,
                        uint32_t* count) {
    *count = 0;
    while (*count < want) {
        uint32_t index;
        const int error = slabFor(lock, owner, sizeClass, &index);
        if (error != 0) return *count == 0 ? error : 0;
        if (kept_[sizeClass] == index) kept_[sizeClass] = kNone;
        const Word* const slab = at(index);
        for (uint32_t word = 0; *count < want && freeIn(slab) > 0; word++) {
            while (bits(slab, word) != 0 && *count < want) offsets[(*count)++] = takeSlot(owner, index, word);
        }
    }
    return 0;
}

int SlabAllocator::free(uint64_t offset, uint32_t* freedClass) {
    uint32_t slot;
    const uint32_t index = find(offset, &slot);
    if (index == kNone) return -EINVAL;
    Word* const slab = at(index);
    if (!isTaken(slab, slot)) return -EINVAL;
    *freedClass = classOfSlab(slab);
    if (isLostSlot(slab, slot)) {
        retire(slab, slot);
        return 0;
    }
    setBits(slab, slot / 64, bits(slab, slot / 64) | 1ull << (slot % 64));
    freed(index, 1);
    return 0;
}

void SlabAllocator::freed(uint32_t index, uint32_t count) {
    Word* const slab = at(index);
    const uint32_t sizeClass = classOfSlab(slab);
    slab[kSlabFree] += count;
    stats_[sizeClass].taken -= count;
    if (!isListed(slab)) link(index);
    if (freeIn(slab) < slotsOf(slab)) return;
    if (!keepsEmpty_ || kept_[sizeClass] != kNone) {
        release(index);
    } else {
        kept_[sizeClass] = index;
        setOwner(index, kNobody);
    }
}

bool SlabAllocator::isLostSlot(const Word* slab, uint32_t slot) const {
    if (!runs_->hasLost()) return false;
    const uint64_t from = offsetOf(slab, slot);
    const uint64_t last = from + classSize(classOfSlab(slab)) - 1;
    const uint32_t shift = runs_->unitShift();
    return runs_->isLost(static_cast<uint32_t>(from >> shift),
                         static_cast<uint32_t>((last >> shift) - (from >> shift)) + 1);
}

void SlabAllocator::retire(const Word* slab, uint32_t slot) {
    const uint32_t sizeClass = classOfSlab(slab);
    retired_.insert(offsetOf(slab, slot));
    retiredBytes_ += classSize(sizeClass);
    stats_[sizeClass].taken--;
    stats_[sizeClass].slots--;
}

void SlabAllocator::takeForGood(uint32_t index, uint32_t slot) {
    Word* const slab = at(index);
    // The slab is not empty any more, and never will be.
    uint32_t& kept = kept_[classOfSlab(slab)];
    if (kept == index) kept = kNone;
    setBits(slab, slot / 64, bits(slab, slot / 64) & ~(1ull << (slot % 64)));
    slab[kSlabFree] -= 1;
    stats_[classOfSlab(slab)].taken++;
    if (freeIn(slab) == 0) unlink(index);
    retire(slab, slot);
}

uint32_t SlabAllocator::classAt(uint64_t offset) const {
    uint32_t slot;
    const uint32_t index = find(offset, &slot);
    if (index == kNone || !isTaken(at(index), slot)) return kNone;
    return classOfSlab(at(index));
}

int SlabAllocator::takeFuller(uint32_t owner, uint64_t offset, uint64_t* better) {
    uint32_t slot;
    const uint32_t from = find(offset, &slot);
    if (from == kNone) return -EINVAL;
    // A block in a full slab is in its best place.
    uint32_t least = freeIn(at(from));
    if (least == 0) return -ENOENT;
    uint32_t best = kNone;
    int looked = 0;
    const uint32_t sizeClass = classOfSlab(at(from));
    for (const uint32_t whose : {owner, kManyOwners, kNobody}) {
        for (uint32_t index = available_[whose][sizeClass]; index != kNone; index = at(index)[kSlabNext]) {
            // Not the empty slab that is kept. If it is short, it has fewer free slots than a long one with a block.
            if (index == kept_[sizeClass]) continue;
            // A slab that is as full will do. It is fuller afterwards, so that no block goes back and forth for ever.
            if (freeIn(at(index)) < least || (best == kNone && freeIn(at(index)) == least && index != from)) {
                least = freeIn(at(index));
                best = index;
            }
            if (++looked >= kBestOf) break;
        }
    }
    if (best == kNone) return -ENOENT;
    uint32_t word = 0;
    while (bits(at(best), word) == 0) word++;
    if (ownerOf(at(best)) == kNobody) setOwner(best, owner);
    *better = takeSlot(owner, best, word);
    return 0;
}

// ---- Owners ---------------------------------------------------------------------------------------------------------

void SlabAllocator::addOwner(uint32_t owner) {
    if (owner < available_.size()) return;
    available_.resize(owner + 1);
    available_[owner].fill(kNone);
}

void SlabAllocator::setOwner(uint32_t index, uint32_t owner) {
    Word* const slab = at(index);
    const bool wasListed = isListed(slab);
    if (wasListed) unlink(index);
    slab[kSlabFree] = freeIn(slab) | owner << kSlabOwnerShift;
    if (wasListed) link(index);
}

uint32_t SlabAllocator::listedFor(uint32_t owner, uint32_t sizeClass) {
    if (available_[owner][sizeClass] != kNone) return available_[owner][sizeClass];
    const uint32_t index = available_[kNobody][sizeClass];
    if (index == kNone) return available_[kManyOwners][sizeClass];
    // All threads can reach the blocks that are still in it, so it does not matter who owns them.
    setOwner(index, owner);
    return index;
}

int SlabAllocator::slabFor(HeapLock& lock, uint32_t owner, uint32_t sizeClass, uint32_t* index) {
    *index = listedFor(owner, sizeClass);
    if (*index == kNone && isScarce(sizeClass)) *index = borrow(sizeClass);
    if (*index != kNone) return 0;
    const int error = newSlab(lock, owner, sizeClass);
    // Other threads may have made or freed slots while the lock was let go of.
    *index = listedFor(owner, sizeClass);
    if (*index == kNone) *index = borrow(sizeClass);
    return *index != kNone ? 0 : error;
}

bool SlabAllocator::isScarce(uint32_t sizeClass) const {
    const ClassStats& stats = stats_[sizeClass];
    const uint64_t free = stats.slots - stats.taken;
    // All owners together may have as many free slots as one slab has, in slabs that they have not used up.
    return free > shapes_[sizeClass].slots || runs_->freeUnits() < runs_->totalUnits() / 4;
}

uint32_t SlabAllocator::borrow(uint32_t sizeClass) {
    // listedFor() has found no slab of the owner, of nobody or of many owners. So each slab that is found here is
    // another owner's.
    if (stats_[sizeClass].slots == stats_[sizeClass].taken || places_->openOwners() != 0) return kNone;
    for (const auto& heads : available_) {
        const uint32_t index = heads[sizeClass];
        if (index == kNone) continue;
        const Word* const slab = at(index);
        std::fill_n(&places_->owners[firstNumber(slab)], slotsOf(slab), static_cast<uint16_t>(ownerOf(slab)));
        setOwner(index, kManyOwners);
        return index;
    }
    return kNone;
}

SlotSet SlabAllocator::disown(uint32_t index, uint32_t owner) {
    SlotSet owned{};
    const Word* const slab = at(index);
    const bool isMixed = ownerOf(slab) == kManyOwners;
    if (!isMixed && ownerOf(slab) != owner) return owned;
    const uint32_t slots = slotsOf(slab);
    const uint64_t first = firstNumber(slab);
    for (uint32_t slot = 0; slot < slots; slot++) {
        if (!isTaken(slab, slot)) continue;
        if (isMixed && places_->owners[first + slot] != owner) continue;
        // A handle that is out keeps its block. Its state may change at any time, because the thread that owns a block
        // frees its handle without the lock. A thread that frees another's handle asks the heap first.
        if (places_->isOut(first + slot)) continue;
        owned[slot / 64] |= 1ull << (slot % 64);
    }
    if (!isMixed) setOwner(index, kNobody);
    return owned;
}

uint32_t SlabAllocator::freeSlots(uint32_t index, const SlotSet& slots, uint32_t* sizeClass) {
    Word* const slab = at(index);
    *sizeClass = classOfSlab(slab);
    uint32_t count = 0;
    uint32_t retired = 0;
    for (uint32_t word = 0; word * 64 < slotsOf(slab); word++) {
        uint64_t given = slots[word];
        for (uint64_t rest = runs_->hasLost() ? given : 0; rest != 0; rest &= rest - 1) {
            const uint32_t bit = static_cast<uint32_t>(__builtin_ctzll(rest));
            if (!isLostSlot(slab, word * 64 + bit)) continue;
            retire(slab, word * 64 + bit);
            given &= ~(1ull << bit);
            retired++;
        }
        count += static_cast<uint32_t>(__builtin_popcountll(given));
        setBits(slab, word, bits(slab, word) | given);
    }
    if (count > 0) freed(index, count);
    return count + retired;
}

bool SlabAllocator::findNumber(uint64_t number, uint64_t* offset) const {
    if (number < places_->firstSlot() || number >= numbersMade()) return false;
    const uint32_t index = places_->slabs[number >> kGroupShift];
    const Word* const slab = at(index);
    const uint64_t slot = number - firstNumber(slab);
    // The descriptor may be unused. It belongs to a slab only if the unit map says so.
    if (runs_->slabAt(slab[kSlabStart]) != index || slot >= slotsOf(slab)) return false;
    if (!isTaken(slab, static_cast<uint32_t>(slot))) return false;
    *offset = offsetOf(slab, static_cast<uint32_t>(slot));
    return true;
}

}  // namespace daxkind
