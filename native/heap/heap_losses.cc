// What becomes of memory that is lost: a page that the guard has replaced with zeros, or a bad block that the kernel
// has reported.
#include <algorithm>

#include "heap/heap.h"

namespace daxkind {

void Heap::doom(uint64_t offset, uint32_t code) {
    if (!doomed_.emplace(offset, code).second) return;
    const uint32_t index = magazineOf(code);
    if (doomedIn_[index]++ > 0) return;
    for (ThreadCache* cache = caches_; cache != nullptr; cache = cache->next) cache->bar(index, true);
}

void Heap::undoom(uint64_t offset) {
    if (doomed_.empty()) return;
    const auto found = doomed_.find(offset);
    if (found == doomed_.end()) return;
    const uint32_t index = magazineOf(found->second);
    doomed_.erase(found);
    if (--doomedIn_[index] > 0) return;
    for (ThreadCache* cache = caches_; cache != nullptr; cache = cache->next) cache->bar(index, false);
}

void Heap::largeRunAround(uint32_t unit, uint32_t* start, uint32_t* units) const {
    *units = 0;
    // Inside a large run the unit map has no tags. So the nearest tag at or before the unit is that of its run, or of
    // something that does not reach it.
    for (uint32_t at = unit + 1; at-- > 0;) {
        const uint32_t found = runs_.largeUnits(at);
        if (found == 0 && !runs_.hasTag(at)) continue;
        *start = at;
        if (found > unit - at) *units = found;
        return;
    }
}

bool Heap::isCached(uint64_t offset, uint32_t code) {
    const uint32_t index = magazineOf(code);
    for (ThreadCache* cache = caches_; cache != nullptr; cache = cache->next) {
        for (uint32_t at = 0; at < cache->blocks(index); at++) {
            uint64_t found;
            if (offsetOfEntry(cache->entry(index, at), &found) && found == offset) return true;
        }
    }
    return false;
}

LostPlace Heap::placeOf(uint64_t offset, uint64_t length, uint64_t number) {
    LostPlace place;
    place.sort = LostPlace::Sort::kBlock;
    place.offset = offset;
    place.length = length;
    if (places_.isOut(number)) {
        place.sort = LostPlace::Sort::kRaw;
        place.number = number;
        place.generation = places_.states[number] & static_cast<uint16_t>(~kHandleOut);
    } else if (const Reference* const reference = references_.at(offset); reference != nullptr) {
        const bool isFreed = reference->sort == ReferenceSort::kQuarantined;
        place.sort = isFreed ? LostPlace::Sort::kFree : LostPlace::Sort::kReferenced;
        place.reference = *reference;
    }
    return place;
}

// All of [from, to) must have storage.
void Heap::loseUnits(uint32_t from, uint32_t to, std::vector<LostPlace>* places) {
    const uint32_t shift = runs_.unitShift();
    const auto bytes = [shift](uint64_t units) { return units << shift; };
    const auto addFree = [&](uint64_t offset, uint64_t length) {
        if (!places->empty()) {
            LostPlace& last = places->back();
            if (last.sort == LostPlace::Sort::kFree && last.offset + last.length == offset) {
                last.length += length;
                return;
            }
        }
        LostPlace free;
        free.offset = offset;
        free.length = length;
        places->push_back(free);
    };
    runs_.lose(from, to - from, [&](uint32_t start, uint32_t units) { addFree(bytes(start), bytes(units)); });
    for (uint32_t unit = from; unit < to;) {
        if (const uint32_t slab = runs_.slabAt(unit); slab != RunAllocator::kNone) {
            const uint32_t end = std::min(to, slabs_.endOf(slab));
            const uint32_t code = slabs_.classIn(slab);
            slabs_.lose(slab, bytes(unit), bytes(end), [&](uint32_t slot, bool isNobodys) {
                const uint64_t offset = slabs_.offsetOf(slab, slot);
                if (isNobodys) return addFree(offset, classSize(code));
                doom(offset, code);
                if (isCached(offset, code)) return addFree(offset, classSize(code));
                places->push_back(placeOf(offset, classSize(code), slabs_.numberOf(slab, slot)));
            });
            unit = end;
            continue;
        }
        uint32_t start;
        uint32_t units;
        largeRunAround(unit, &start, &units);
        if (units == 0) {
            // The unit is out of use by now. Or it is being committed for somebody, who will look for lost units.
            unit++;
            continue;
        }
        const uint32_t code = hasCode(units) ? codeOfRun(units) : kRunCode;
        doom(bytes(start), code);
        if (isCached(bytes(start), code))
            addFree(bytes(start), bytes(units));
        else
            places->push_back(placeOf(bytes(start), bytes(units), numberOfUnit(start)));
        unit = start + units;
    }
}

std::vector<ByteRange> Heap::usable(uint64_t offset, uint64_t length) {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::vector<ByteRange> parts;
    if (!runs_.hasLost()) return {{offset, offset + length}};
    const uint32_t shift = runs_.unitShift();
    runs_.addUsable(offset >> shift, (offset + length) >> shift, &parts);
    return parts;
}

std::vector<LostPlace> Heap::lose(uint64_t offset, uint64_t length) {
    std::vector<LostPlace> places;
    const std::lock_guard<std::mutex> lock(mutex_);
    const uint64_t end = std::min(offset + length, capacity_);
    for (uint64_t from = offset; from < end;) {
        // First the part that has storage, then the part that has none.
        const uint64_t missing = std::max(from, std::min(runs_.storage().firstMissing({from, end}), end));
        if (missing > from) {
            const uint32_t shift = runs_.unitShift();
            const uint64_t last = std::min<uint64_t>(((missing - 1) >> shift) + 1, runs_.totalUnits());
            loseUnits(static_cast<uint32_t>(from >> shift), static_cast<uint32_t>(last), &places);
        }
        from = missing / kCommitGranule * kCommitGranule + kCommitGranule;
    }
    std::sort(places.begin(), places.end(), [](const LostPlace& a, const LostPlace& b) { return a.offset < b.offset; });
    // The doomed blocks in thread caches must come back before they are handed out again.
    if (doomed_.empty()) return places;
    for (ThreadCache* cache = caches_; cache != nullptr; cache = cache->next) {
        cache->isReclaimRequested = true;
        if (cache->wake != nullptr) cache->wake(cache->wakeData);
    }
    return places;
}

}  // namespace daxkind
