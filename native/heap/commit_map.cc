#include "heap/commit_map.h"

#include <algorithm>
#include <chrono>

#include "heap/clock.h"

namespace daxkind {

namespace {

constexpr uint32_t kGranulesPerChunk = kChunkSize / kCommitGranule;
static_assert(kGranulesPerChunk == 32, "Chunk::committed has one bit for each granule");

// How many chunks decay() looks at before it lets go of the lock: some microseconds of work.
constexpr uint64_t kScanChunks = 4096;
// How long an allocation waits for memory whose storage is being given back before it looks for other memory.
constexpr std::chrono::milliseconds kPatience{5};
// How long no whole chunks are asked for after the file system had no room for one.
constexpr uint32_t kTightMs = 1000;

// bytes / size, rounded up: the first granule or chunk that begins at or behind that byte.
uint64_t up(uint64_t bytes, uint64_t size) {
    return (bytes + size - 1) / size;
}

}  // namespace

int CommitMap::open(Region* region) {
    region_ = region;
    isElastic_ = region->isElastic();
    if (!isElastic_) return 0;
    return chunks_.reserve(up(region->capacity(), kChunkSize));
}

bool CommitMap::isCommitted(uint64_t granule) const {
    return (chunks_[granule / kGranulesPerChunk].committed >> (granule % kGranulesPerChunk)) & 1;
}

bool CommitMap::isClaimed(uint64_t granule) const {
    if (granule >= claimedFrom_) return true;
    return (chunks_[granule / kGranulesPerChunk].claimed >> (granule % kGranulesPerChunk)) & 1;
}

uint64_t CommitMap::firstMissing(ByteRange range) const {
    if (!isElastic_) return range.to;
    const uint64_t last = up(range.to, kCommitGranule);
    for (uint64_t granule = range.from / kCommitGranule; granule < last; granule++) {
        if (!isCommitted(granule)) return granule * kCommitGranule;
    }
    return range.to;
}

template <typename Has>
CommitMap::Granules CommitMap::stretch(uint64_t first, uint64_t last, uint64_t most, Has has) const {
    uint64_t from = first;
    while (from < last && !has(from)) from++;
    uint64_t to = from;
    while (to < last && to - from < most && has(to)) to++;
    return {from, to};
}

// Calls `change` for each chunk of a range. The bits are those of the chunk's granules in the range.
template <typename Change>
void CommitMap::eachChunk(Granules range, Change change) {
    for (uint64_t at = range.from; at < range.to;) {
        const uint64_t end = std::min(range.to, (at / kGranulesPerChunk + 1) * kGranulesPerChunk);
        const uint32_t bits = end - at == kGranulesPerChunk ? UINT32_MAX : (1u << (end - at)) - 1;
        change(chunks_[at / kGranulesPerChunk], bits << (at % kGranulesPerChunk));
        at = end;
    }
}

template <typename Call>
int CommitMap::withoutLock(HeapLock& lock, Granules range, Pace* pace, Call call) {
    const uint64_t length = (range.to - range.from) * kCommitGranule;
    lock.unlock();
    const auto start = std::chrono::steady_clock::now();
    const int error = call(range.from * kCommitGranule, length);
    const auto time = std::chrono::steady_clock::now() - start;
    lock.lock();
    // Under the lock, because several threads may be in such calls.
    pace->note(length, time);
    return error;
}

// ---- Claims ---------------------------------------------------------------------------------------------------------

void CommitMap::claim(Granules range, bool isClaim) {
    eachChunk(range, [isClaim](Chunk& chunk, uint32_t bits) {
        chunk.claimed = isClaim ? chunk.claimed | bits : chunk.claimed & ~bits;
    });
    if (!isClaim) unclaimed_.notify_all();
}

void CommitMap::book(Granules range, bool isBacked) {
    eachChunk(range, [this, isBacked](Chunk& chunk, uint32_t bits) {
        chunk.committed = isBacked ? chunk.committed | bits : chunk.committed & ~bits;
        if (chunk.committed != 0 || chunk.freeSince == 0) return;
        chunk.freeSince = 0;
        dirtyChunks_--;
    });
    committedGranules_ += isBacked ? range.to - range.from : range.from - range.to;
}

bool CommitMap::awaitClaim(HeapLock& lock, uint64_t granule) {
    // A thread that backs memory will be done some time. A thread that gives it back may never be, where a page is
    // pinned.
    bool isFree = false;
    do isFree = unclaimed_.wait_for(lock, kPatience, [this, granule] { return !isClaimed(granule); });
    while (!isFree && scavenging_ == 0);
    return isFree;
}

int CommitMap::commitClaimed(HeapLock& lock, Granules range) {
    claim(range, true);
    // This must come before the call, because sweep() claims all chunks above without a look.
    usedChunks_ = std::max(usedChunks_, (range.to - 1) / kGranulesPerChunk + 1);
    std::vector<guard::Part> bad;
    const int error = withoutLock(lock, range, &commitPace_, [this, &bad](uint64_t offset, uint64_t length) {
        const int error = region_->commit(offset, length);
        if (error == 0) bad = region_->knownBad(offset, length);
        return error;
    });
    if (error == 0) book(range, true);
    for (const guard::Part& part : bad) {
        const uint64_t from = range.from * kCommitGranule + part.offset;
        bad_.push_back({from, from + part.length});
    }
    // A part of the range may have got storage, and kept it.
    if (error != 0) hasFailed_ = true;
    claim(range, false);
    return error;
}

// If the region fails, some of the storage may have gone. The books say that all of it has, so that it is committed
// again before it is used.
uint64_t CommitMap::decommitClaimed(HeapLock& lock, Granules range) {
    book(range, false);
    claim(range, true);
    scavenging_++;
    const int error = punch(lock, range);
    scavenging_--;
    claim(range, false);
    return error == 0 ? (range.to - range.from) * kCommitGranule : 0;
}

// ---- Backing --------------------------------------------------------------------------------------------------------

int CommitMap::foresee(HeapLock& lock, Granules range) {
    uint64_t missing = 0;
    eachChunk(range, [&missing](const Chunk& chunk, uint32_t bits) {
        missing += static_cast<uint64_t>(__builtin_popcount(bits & ~chunk.committed));
    });
    lock.unlock();
    const int error = region_->foresee(missing * kCommitGranule);
    lock.lock();
    return error;
}

int CommitMap::commit(HeapLock& lock, ByteRange range) {
    if (!isElastic_) return 0;
    const uint64_t first = range.from / kCommitGranule;
    const uint64_t last = up(range.to, kCommitGranule);
    // A range that takes several steps is not begun if it does not fit whole: to fill all memory first takes minutes.
    if (last - first > commitPace_.size() / kCommitGranule) {
        const int error = foresee(lock, {first, last});
        if (error != 0) return error;
    }
    for (uint64_t at = first; at < last;) {
        if (isCommitted(at)) {
            at++;
            continue;
        }
        if (isClaimed(at)) {
            if (!awaitClaim(lock, at)) return -EBUSY;
            continue;
        }
        const Granules exact = stretch(at, last, commitPace_.size() / kCommitGranule,
                                       [this](uint64_t granule) { return isMissing(granule); });
        const uint64_t needed = exact.to - exact.from;
        if (isWithin(fullSince_, kFullMs) && needed >= fullGranules_) return fullError_;
        // The rest of the chunks at both ends is committed, too, for later allocations.
        Granules whole = exact;
        if (!isWithin(tightSince_, kTightMs)) {
            while (whole.from % kGranulesPerChunk != 0 && isMissing(whole.from - 1)) whole.from--;
            const uint64_t end = up(region_->capacity(), kCommitGranule);
            while (whole.to % kGranulesPerChunk != 0 && whole.to < end && isMissing(whole.to)) whole.to++;
        }
        const int error = commitClaimed(lock, whole);
        if (isOutOfRoom(error) && whole.to - whole.from > needed) {
            tightSince_ = coarseMs();
            // Other threads may have committed some of it meanwhile, or be about to. So everything is looked at again.
            continue;
        }
        if (isOutOfRoom(error)) {
            fullSince_ = coarseMs();
            fullError_ = error;
            fullGranules_ = needed;
        }
        if (error != 0) return error;
    }
    return 0;
}

// ---- Giving back ----------------------------------------------------------------------------------------------------

void CommitMap::markUsed(ByteRange range) {
    if (!isElastic_) return;
    for (uint64_t chunk = range.from / kChunkSize; chunk < up(range.to, kChunkSize); chunk++) {
        if (chunks_[chunk].freeSince == 0) continue;
        chunks_[chunk].freeSince = 0;
        dirtyChunks_--;
    }
}

void CommitMap::markFreed(ByteRange range, ByteRange whole, uint32_t idleMs) {
    if (!isElastic_) return;
    // Only a chunk that the freed range touches can have become free. It has, if it lies in the whole free run.
    const uint64_t first = std::max(range.from / kChunkSize, up(whole.from, kChunkSize));
    const uint64_t end = std::min(up(range.to, kChunkSize), whole.to / kChunkSize);
    if (first >= end) return;
    const uint32_t since = (coarseMs() - idleMs) | 1;
    for (uint64_t chunk = first; chunk < end; chunk++) {
        if (chunks_[chunk].committed == 0 || chunks_[chunk].freeSince != 0) continue;
        chunks_[chunk].freeSince = since;
        dirtyChunks_++;
    }
}

uint64_t CommitMap::decommit(HeapLock& lock, ByteRange range, uint64_t most) {
    if (!isElastic_) return 0;
    const uint64_t unit = region_->decommitUnit();
    const uint64_t first = up(range.from, unit) * (unit / kCommitGranule);
    const uint64_t last = std::min(range.to / unit * (unit / kCommitGranule), usedChunks_ * kGranulesPerChunk);
    const auto isBacked = [this](uint64_t granule) { return isCommitted(granule) && !isClaimed(granule); };
    // Chunks without storage are skipped whole. They are most of a long free run, and purge() begins at its start for
    // each stretch.
    uint64_t from = first;
    while (from < last && !isBacked(from)) {
        const uint64_t chunk = from / kGranulesPerChunk;
        from = chunks_[chunk].committed == 0 ? (chunk + 1) * kGranulesPerChunk : from + 1;
    }
    const uint64_t size = std::max<uint64_t>(std::min(punchPace_.size(), most) / kCommitGranule, 1);
    const Granules found = stretch(from, last, size, isBacked);
    return found.from < found.to ? decommitClaimed(lock, found) : 0;
}

ScavengeStep CommitMap::decay(HeapLock& lock, uint32_t ageMs) {
    if (!isElastic_ || !hasDirtyChunks()) return {0, ScavengeStep::kNever};
    const uint32_t now = coarseMs();
    const auto isDue = [this, now, ageMs](uint64_t chunk) {
        const uint32_t since = chunks_[chunk].freeSince;
        return since != 0 && static_cast<int32_t>(now - since) >= static_cast<int32_t>(ageMs);
    };
    const uint64_t end = std::min(usedChunks_, decayAt_ + kScanChunks);
    for (; decayAt_ < end && dirtyChunks_ > 0; decayAt_++) {
        const Chunk& chunk = chunks_[decayAt_];
        if (chunk.freeSince == 0) continue;
        if (!isDue(decayAt_)) {
            soonestMs_ = std::min(soonestMs_, chunk.freeSince + ageMs - now);
            continue;
        }
        const uint64_t most = std::min(usedChunks_, decayAt_ + punchPace_.size() / kChunkSize);
        uint64_t to = decayAt_ + 1;
        while (to < most && isDue(to)) to++;
        const uint64_t bytes = decommit(lock, {decayAt_ * kChunkSize, to * kChunkSize}, UINT64_MAX);
        if (bytes > 0) return {bytes, 0};
        // Another thread has claimed it, or the region does not take it back.
    }
    if (decayAt_ < usedChunks_ && dirtyChunks_ > 0) return {0, 0};
    decayAt_ = 0;
    const uint32_t soonest = std::min(soonestMs_, ageMs);
    soonestMs_ = ScavengeStep::kNever;
    return {0, hasDirtyChunks() ? std::max(soonest, 1u) : ScavengeStep::kNever};
}

bool CommitMap::holdsStray() const {
    if (!isElastic_) return false;
    const int64_t resident = region_->resident();
    return resident > 0 && static_cast<uint64_t>(resident) >= committedBytes() + kChunkSize;
}

int CommitMap::punch(HeapLock& lock, Granules range) {
    const int error = withoutLock(lock, range, &punchPace_, [this](uint64_t offset, uint64_t length) {
        return region_->decommit(offset, length);
    });
    fullSince_ = 0;
    punches_++;
    if (error != 0) hasFailed_ = true;
    return error;
}

void CommitMap::sweep(HeapLock& lock, ByteRange range) {
    if (!isElastic_) return;
    hasFailed_ = false;
    const uint64_t last = up(range.to, kCommitGranule);
    uint64_t at = range.from / kCommitGranule;
    while (at < std::min(last, usedChunks_ * kGranulesPerChunk)) {
        const Granules found = stretch(at, last, punchPace_.size() / kCommitGranule,
                                       [this](uint64_t granule) { return isMissing(granule); });
        at = found.to;
        if (found.from == found.to) break;
        claim(found, true);
        punch(lock, found);
        claim(found, false);
    }
    // Then the part that has never been backed, by one call. It may be a thousand times as long.
    if (at >= last || claimedFrom_ != UINT64_MAX) return;
    claimedFrom_ = std::max(at, usedChunks_ * kGranulesPerChunk);
    if (claimedFrom_ < last) punch(lock, {claimedFrom_, last});
    claimedFrom_ = UINT64_MAX;
    unclaimed_.notify_all();
}

}  // namespace daxkind
