#include "heap/run_allocator.h"

#include <algorithm>
#include <utility>

#include "heap/clock.h"

namespace daxkind {

namespace {

// How many free runs of one bin are compared for the best fit before the search goes on to longer ones.
constexpr int kBestOf = 32;
// How many free runs are tried when other threads are giving their storage back. Each is waited for.
constexpr uint32_t kMostPlaces = 3;
// How often that is repeated where the storage of all free memory is on its way back: for about a second.
constexpr int kMostTries = 60;

}  // namespace

int RunAllocator::open(Region* region, uint32_t unitShift) {
    region_ = region;
    unitShift_ = unitShift;
    totalUnits_ = static_cast<uint32_t>(region->capacity() >> unitShift);
    std::fill_n(bins_, kBins, kNone);
    std::fill_n(binsInUse_, kBins / 64, 0);

    int error = map_.reserve(totalUnits_);
    // Two free runs are never neighbours, so there are at most half as many free runs as units.
    if (error == 0) error = runs_.reserve(totalUnits_ / 2 + 1);
    if (error == 0) error = storage_.open(region);
    if (error != 0) return error;
    // A fixed region may be shorter than a unit.
    if (totalUnits_ > 0) addFree(0, totalUnits_);
    freeUnits_ = totalUnits_;
    return 0;
}

// ---- Free runs, in bins by length -----------------------------------------------------------------------------------

uint32_t RunAllocator::binOf(uint32_t units) {
    if (units <= kExactBins) return units - 1;
    const uint32_t doubling = 31 - static_cast<uint32_t>(__builtin_clz(units)) - 6;
    const uint32_t base = kExactBins << doubling;
    return std::min(kExactBins + doubling * 8 + (units - base) / (base / 8), kBins - 1);
}

void RunAllocator::addFree(uint32_t start, uint32_t units) {
    uint32_t index = unusedRuns_;
    if (index == kNone) {
        index = runsMade_++;
    } else {
        unusedRuns_ = runs_[index].next;
    }
    const uint32_t bin = binOf(units);
    const uint32_t head = bins_[bin];
    runs_[index] = {start, units, kNone, head};
    if (head != kNone) runs_[head].previous = index;
    bins_[bin] = index;
    binsInUse_[bin / 64] |= 1ull << (bin % 64);
    map_[start] = kFree | index;
    map_[start + units - 1] = kFree | index;
    moveWalks(start, units);
}

void RunAllocator::moveWalks(uint32_t start, uint32_t units) {
    for (auto& [number, unit] : walks_) {
        if (unit >= start && unit - start < units) unit = start + units;
    }
}

void RunAllocator::removeFree(uint32_t index) {
    FreeRun& run = runs_[index];
    const uint32_t bin = binOf(run.units);
    if (run.previous == kNone) {
        bins_[bin] = run.next;
        if (run.next == kNone) binsInUse_[bin / 64] &= ~(1ull << (bin % 64));
    } else {
        runs_[run.previous].next = run.next;
    }
    if (run.next != kNone) runs_[run.next].previous = run.previous;
    map_[run.start] = 0;
    map_[run.start + run.units - 1] = 0;
    run.units = 0;
    run.next = unusedRuns_;
    unusedRuns_ = index;
}

// Where in a free run the wanted one can begin: aligned, and not across the border of a segment.
bool RunAllocator::place(const FreeRun& run, uint32_t units, uint64_t alignment, uint32_t* start) const {
    if (run.units < units) return false;
    const uint64_t end = static_cast<uint64_t>(run.start) + run.units;
    const uint64_t segment = 1ull << (kSegmentShift - unitShift_);
    const uint64_t base = reinterpret_cast<uint64_t>(region_->base());
    uint64_t at = run.start;
    for (int pass = 0; pass < 2; pass++) {
        if (alignment > (1ull << unitShift_)) {
            const uint64_t address = base + (at << unitShift_);
            const uint64_t aligned = (address + alignment - 1) & ~(alignment - 1);
            // The sum has wrapped: no address can be aligned to that much.
            if (aligned < address) return false;
            at = (aligned - base) >> unitShift_;
        }
        if (units > segment || at / segment == (at + units - 1) / segment) break;
        if (pass == 1) return false;
        at = (at / segment + 1) * segment;
    }
    if (at + units > end) return false;
    *start = static_cast<uint32_t>(at);
    return true;
}

// A free run that fits well. The best of the first few in the bin for that length is taken. If none of them fits, it is
// the best of the first few in the next bin that has one, and at last any run of the first bin that fits.
uint32_t RunAllocator::find(uint32_t units, uint64_t alignment, uint32_t* start) const {
    const uint32_t floor = binOf(units);
    for (uint32_t bin = floor; bin < kBins; bin++) {
        const uint64_t rest = binsInUse_[bin / 64] >> (bin % 64);
        if (rest == 0) {
            bin |= 63;
            continue;
        }
        bin += static_cast<uint32_t>(__builtin_ctzll(rest));
        uint32_t best = kNone;
        int looked = 0;
        for (uint32_t index = bins_[bin]; index != kNone; index = runs_[index].next) {
            uint32_t at;
            if ((best == kNone || runs_[index].units < runs_[best].units) &&
                place(runs_[index], units, alignment, &at)) {
                best = index;
                *start = at;
                if (runs_[index].units == units) break;
            }
            if (++looked >= kBestOf && (best != kNone || bin == floor)) break;
        }
        if (best != kNone) return best;
    }
    for (uint32_t index = bins_[floor]; index != kNone; index = runs_[index].next) {
        if (place(runs_[index], units, alignment, start)) return index;
    }
    return kNone;
}

// A run in memory that is committed already, for the time when the file system has no room. Looks at all free runs that
// are long enough, so it is slow.
uint32_t RunAllocator::findCommitted(uint32_t units, uint64_t alignment, uint32_t* start) const {
    for (uint32_t bin = binOf(units); bin < kBins; bin++) {
        for (uint32_t index = bins_[bin]; index != kNone; index = runs_[index].next) {
            FreeRun rest = runs_[index];
            const uint32_t end = rest.start + rest.units;
            uint32_t at;
            while (place(rest, units, alignment, &at)) {
                const ByteRange wanted = bytes(at, units);
                const uint64_t missing = storage_.firstMissing(wanted);
                if (missing == wanted.to) {
                    *start = at;
                    return index;
                }
                const uint64_t next = (missing + kCommitGranule) >> unitShift_;
                if (next >= end || missing >= storage_.usedEnd()) break;
                rest.start = static_cast<uint32_t>(next);
                rest.units = end - rest.start;
            }
        }
    }
    return kNone;
}

void RunAllocator::take(uint32_t index, uint32_t start, uint32_t units) {
    const FreeRun run = runs_[index];
    removeFree(index);
    if (start > run.start) addFree(run.start, start - run.start);
    const uint32_t end = run.start + run.units;
    if (start + units < end) addFree(start + units, end - start - units);
    freeUnits_ -= units;
    moveWalks(start, units);
    storage_.markUsed(bytes(start, units));
}

// Takes a run before it commits it, so that nobody else can take it while the lock is let go of. If another thread is
// giving the run's storage back, which may take for ever, it looks for another run.
int RunAllocator::takeAndCommit(HeapLock& lock, uint32_t units, uint64_t alignment, uint32_t* start) {
    uint32_t busy[kMostPlaces];
    uint32_t count = 0;
    bool isDropped = false;
    int error;
    do {
        const uint32_t index = units > freeUnits_ ? kNone : find(units, alignment, start);
        if (index == kNone) {
            error = count > 0 ? -EBUSY : -ENOMEM;
            break;
        }
        take(index, *start, units);
        error = commitBytes(lock, bytes(*start, units));
        if (error == -EBUSY) {
            busy[count++] = *start;
        } else if (error != 0) {
            release(*start, units);
        } else if (isLost(*start, units)) {
            // The run turned out to have bad blocks. The rest of it is now in shorter runs.
            release(*start, units);
            isDropped = true;
        }
    } while ((error == -EBUSY && count < kMostPlaces) || (error == 0 && std::exchange(isDropped, false)));
    while (count > 0) release(busy[--count], units);
    return error;
}

bool RunAllocator::takeCommitted(uint32_t units, uint64_t alignment, uint32_t* start) {
    const uint32_t index = findCommitted(units, alignment, start);
    if (index == kNone) return false;
    take(index, *start, units);
    return true;
}

bool RunAllocator::takeIfCommitted(uint32_t units, uint32_t* start) {
    const uint32_t index = units > freeUnits_ ? kNone : find(units, 1, start);
    if (index == kNone) return false;
    const ByteRange wanted = bytes(*start, units);
    if (storage_.firstMissing(wanted) != wanted.to) return false;
    take(index, *start, units);
    return true;
}

int RunAllocator::allocate(HeapLock& lock, uint32_t units, uint64_t alignment, uint32_t* start) {
    knewFailure_ = units >= fullUnits_ && isWithin(fullSince_, kFullMs);
    if (knewFailure_) return fullError_;
    if (units == 0 || units > freeUnits_) return -ENOMEM;
    int error = -EBUSY;
    for (int tries = 0; error == -EBUSY && tries < kMostTries; tries++) {
        error = takeAndCommit(lock, units, alignment, start);
    }
    if (!isOutOfRoom(error)) return error;
    if (takeCommitted(units, alignment, start)) return 0;
    // Free memory may hold the storage that is missing. And storage that a failed commit took must not stay taken.
    uint64_t given = 0;
    while (const uint64_t bytes = purge(lock, UINT64_MAX)) given += bytes;
    if (given > 0) {
        error = takeAndCommit(lock, units, alignment, start);
        if (!isOutOfRoom(error)) return error;
        while (purge(lock, UINT64_MAX) > 0) continue;
    }
    // tmpfs has filled the holes that somebody has read.
    if (storage_.holdsStray()) {
        storage_.sweep(lock, {0, region_->capacity()});
        error = takeAndCommit(lock, units, alignment, start);
        if (!isOutOfRoom(error)) return error;
    }
    if (alignment <= 1ull << unitShift_) {
        fullUnits_ = units;
        fullSince_ = coarseMs();
        fullError_ = error;
    }
    return error;
}

uint32_t RunAllocator::freeRunAt(uint32_t unit, uint32_t* next) const {
    *next = totalUnits_;
    for (uint32_t index = 0; index < runsMade_; index++) {
        const FreeRun& run = runs_[index];
        if (run.units == 0) continue;
        if (run.start > unit)
            *next = std::min(*next, run.start);
        else if (unit - run.start < run.units)
            return index;
    }
    return kNone;
}

void RunAllocator::addLost(uint32_t start, uint32_t end) {
    auto next = lost_.upper_bound(start);
    if (next != lost_.end() && next->first == end) {
        end = next->second;
        next = lost_.erase(next);
    }
    if (next != lost_.begin() && std::prev(next)->second == start)
        std::prev(next)->second = end;
    else
        lost_[start] = end;
}

int RunAllocator::commitBytes(HeapLock& lock, ByteRange range) {
    const int error = storage_.commit(lock, range);
    for (const ByteRange& bad : storage_.takeBad()) {
        const uint64_t last = std::min<uint64_t>(((bad.to - 1) >> unitShift_) + 1, totalUnits_);
        const auto first = static_cast<uint32_t>(bad.from >> unitShift_);
        if (first < last) lose(first, static_cast<uint32_t>(last) - first, [](uint32_t, uint32_t) {});
    }
    return error;
}

bool RunAllocator::isLost(uint32_t start, uint32_t units) const {
    const auto next = lostFrom(start);
    return next != lost_.end() && next->first < start + units;
}

void RunAllocator::addUsable(uint64_t start, uint64_t end, std::vector<ByteRange>* parts) const {
    auto lost = lostFrom(static_cast<uint32_t>(start));
    for (; lost != lost_.end() && lost->first < end; lost++) {
        if (lost->first > start) parts->push_back(bytes(start, lost->first - start));
        start = lost->second;
    }
    if (start < end) parts->push_back(bytes(start, end - start));
}

void RunAllocator::release(uint32_t start, uint32_t units) {
    const uint32_t end = start + units;
    for (auto lost = lostFrom(start); lost != lost_.end() && lost->first < end; lost++) {
        if (lost->first > start) releaseWhole(start, lost->first - start);
        const uint32_t to = std::min(lost->second, end);
        unusableUnits_ += to - std::max(lost->first, start);
        start = to;
    }
    if (start < end) releaseWhole(start, end - start);
}

void RunAllocator::releaseWhole(uint32_t start, uint32_t units) {
    uint32_t from = start;
    uint32_t length = units;
    if (start > 0 && (map_[start - 1] & kTagMask) == kFree) {
        const uint32_t left = map_[start - 1] & ~kTagMask;
        from = runs_[left].start;
        length += runs_[left].units;
        removeFree(left);
    }
    const uint32_t end = start + units;
    if (end < totalUnits_ && (map_[end] & kTagMask) == kFree) {
        const uint32_t right = map_[end] & ~kTagMask;
        length += runs_[right].units;
        removeFree(right);
    }
    addFree(from, length);
    freeUnits_ += units;
    fullUnits_ = UINT32_MAX;
    storage_.markFreed(bytes(start, units), bytes(from, length), idleMs_);
}

// ---- Tags -----------------------------------------------------------------------------------------------------------

uint32_t RunAllocator::largeUnits(uint32_t unit) const {
    const uint32_t entry = entryAt(unit);
    return (entry & kTagMask) == kLarge ? entry & ~kTagMask : 0;
}

bool RunAllocator::releaseLarge(uint32_t unit) {
    const uint32_t units = largeUnits(unit);
    if (units == 0) return false;
    map_[unit] = 0;
    release(unit, units);
    return true;
}

int RunAllocator::resizeLarge(HeapLock& lock, uint32_t unit, uint32_t units) {
    const uint32_t had = largeUnits(unit);
    if (had == 0 || units == 0) return -EINVAL;
    // Only a run that is longer than a segment may cross the border of one.
    const uint32_t segment = 1u << (kSegmentShift - unitShift_);
    if (units <= segment && unit / segment != (unit + units - 1) / segment) return -ENOMEM;
    if (units < had) {
        tagLarge(unit, units);
        release(unit + units, had - units);
    } else if (units > had) {
        const uint32_t end = unit + had;
        const uint32_t more = units - had;
        if (end >= totalUnits_ || (map_[end] & kTagMask) != kFree) return -ENOMEM;
        const uint32_t right = map_[end] & ~kTagMask;
        if (runs_[right].units < more) return -ENOMEM;
        take(right, end, more);
        int error = commitBytes(lock, bytes(end, more));
        if (error == 0 && isLost(end, more)) error = -ENOMEM;
        if (error != 0) {
            release(end, more);
            return error;
        }
        tagLarge(unit, units);
    }
    return 0;
}

void RunAllocator::tagSlab(uint32_t unit, uint32_t units, uint32_t slab) {
    for (uint32_t i = 0; i < units; i++) map_[unit + i] = kSlab | slab;
}

void RunAllocator::clearTags(uint32_t unit, uint32_t units) {
    for (uint32_t i = 0; i < units; i++) map_[unit + i] = 0;
}

uint32_t RunAllocator::slabAt(uint32_t unit) const {
    const uint32_t entry = entryAt(unit);
    return (entry & kTagMask) == kSlab ? entry & ~kTagMask : kNone;
}

uint32_t RunAllocator::endOfFree(uint32_t unit) const {
    const uint32_t entry = entryAt(unit);
    if ((entry & kTagMask) != kFree) return unit;
    const FreeRun& run = runs_[entry & ~kTagMask];
    return run.start + run.units;
}

// ---- Storage --------------------------------------------------------------------------------------------------------

uint64_t RunAllocator::purge(HeapLock& lock, uint64_t most) {
    for (uint32_t looked = 0; looked < runsMade_; looked++) {
        if (purgeAt_ >= runsMade_) purgeAt_ = 0;
        const FreeRun run = runs_[purgeAt_];
        const uint64_t given = run.units == 0 ? 0 : storage_.decommit(lock, bytes(run.start, run.units), most);
        // The next call looks at the same run, because it may have more.
        if (given > 0) return given;
        purgeAt_++;
    }
    return 0;
}

uint32_t RunAllocator::longestFree() const {
    for (uint32_t word = kBins / 64; word-- > 0;) {
        if (binsInUse_[word] == 0) continue;
        const uint32_t bin = word * 64 + 63 - static_cast<uint32_t>(__builtin_clzll(binsInUse_[word]));
        uint32_t longest = 0;
        for (uint32_t index = bins_[bin]; index != kNone; index = runs_[index].next) {
            longest = std::max(longest, runs_[index].units);
        }
        return longest;
    }
    return 0;
}

}  // namespace daxkind
