#include "heap/commit_map.h"

#include <time.h>

#include <algorithm>

namespace daxkind {

namespace {

constexpr uint32_t kGranulesPerChunk = kChunkSize / kCommitGranule;
static_assert(kGranulesPerChunk == 32, "Chunk::committed has one bit for each granule");

// Milliseconds of a clock that costs a few nanoseconds to read; wraps after 49 days; never 0.
uint32_t coarseMs() {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return static_cast<uint32_t>(now.tv_sec * 1000 + now.tv_nsec / 1000000) | 1;
}

// The granules or chunks that a range touches, and those that lie inside it.
uint64_t up(uint64_t bytes, uint64_t size) {
    return (bytes + size - 1) / size;
}

}  // namespace

int CommitMap::open(Region* region, bool decommitAtOnce) {
    region_ = region;
    isElastic_ = region->isElastic();
    decommitAtOnce_ = decommitAtOnce;
    if (!isElastic_) return 0;
    return chunks_.reserve(up(region->capacity(), kChunkSize));
}

bool CommitMap::isCommitted(uint64_t granule) const {
    return (chunks_[granule / kGranulesPerChunk].committed >> (granule % kGranulesPerChunk)) & 1;
}

uint64_t CommitMap::firstMissing(ByteRange range) const {
    if (!isElastic_) return range.to;
    const uint64_t last = up(range.to, kCommitGranule);
    for (uint64_t granule = range.from / kCommitGranule; granule < last; granule++) {
        if (!isCommitted(granule)) return granule * kCommitGranule;
    }
    return range.to;
}

// Backs what of the granules [first, last) is not yet. On failure the part before the failing stretch stays committed.
int CommitMap::commitGranules(uint64_t first, uint64_t last) {
    for (uint64_t from = first; from < last;) {
        if (isCommitted(from)) {
            from++;
            continue;
        }
        uint64_t to = from + 1;
        while (to < last && !isCommitted(to)) to++;
        const int error = region_->commit(from * kCommitGranule, (to - from) * kCommitGranule);
        if (error != 0) return error;
        for (uint64_t granule = from; granule < to; granule++) {
            chunks_[granule / kGranulesPerChunk].committed |= 1u << (granule % kGranulesPerChunk);
        }
        committedGranules_ += to - from;
        usedChunks_ = std::max(usedChunks_, (to - 1) / kGranulesPerChunk + 1);
        from = to;
    }
    return 0;
}

int CommitMap::commit(ByteRange range) {
    if (!isElastic_) return 0;
    const uint64_t first = range.from / kChunkSize;
    const uint64_t end = up(range.to, kChunkSize);
    bool missing = false;
    for (uint64_t chunk = first; chunk < end && !missing; chunk++) missing = chunks_[chunk].committed != UINT32_MAX;
    if (!missing) return 0;
    const int error = commitGranules(first * kGranulesPerChunk, end * kGranulesPerChunk);
    if (!isOutOfRoom(error)) return error;
    return commitGranules(range.from / kCommitGranule, up(range.to, kCommitGranule));
}

void CommitMap::markUsed(ByteRange range) {
    if (!isElastic_) return;
    for (uint64_t chunk = range.from / kChunkSize; chunk < up(range.to, kChunkSize); chunk++) {
        if (chunks_[chunk].freeSince == 0) continue;
        chunks_[chunk].freeSince = 0;
        dirtyChunks_--;
    }
}

void CommitMap::markFreed(ByteRange range, ByteRange whole) {
    if (!isElastic_) return;
    // Only a chunk that the freed part touches can have become free; it has, if it lies in the whole.
    const uint64_t first = std::max(range.from / kChunkSize, up(whole.from, kChunkSize));
    const uint64_t end = std::min(up(range.to, kChunkSize), whole.to / kChunkSize);
    if (first >= end) return;
    if (decommitAtOnce_) {
        decommitGranules(first * kGranulesPerChunk, end * kGranulesPerChunk);
        return;
    }
    const uint32_t now = coarseMs();
    for (uint64_t chunk = first; chunk < end; chunk++) {
        if (chunks_[chunk].committed == 0 || chunks_[chunk].freeSince != 0) continue;
        chunks_[chunk].freeSince = now;
        dirtyChunks_++;
    }
}

// Gives granules back whose memory is free. What the region refuses to take back stays committed.
uint64_t CommitMap::decommitGranules(uint64_t first, uint64_t last) {
    uint64_t bytes = 0;
    for (uint64_t from = first; from < last;) {
        if (!isCommitted(from)) {
            from++;
            continue;
        }
        uint64_t to = from + 1;
        while (to < last && isCommitted(to)) to++;
        if (region_->decommit(from * kCommitGranule, (to - from) * kCommitGranule) != 0) return bytes;
        for (uint64_t granule = from; granule < to; granule++) {
            Chunk& chunk = chunks_[granule / kGranulesPerChunk];
            chunk.committed &= ~(1u << (granule % kGranulesPerChunk));
            if (chunk.committed == 0 && chunk.freeSince != 0) {
                chunk.freeSince = 0;
                dirtyChunks_--;
            }
        }
        committedGranules_ -= to - from;
        bytes += (to - from) * kCommitGranule;
        from = to;
    }
    return bytes;
}

void CommitMap::dropStray(ByteRange range) {
    if (!isElastic_) return;
    for (uint64_t granule = range.from / kCommitGranule; granule < up(range.to, kCommitGranule); granule++) {
        if (!isCommitted(granule)) region_->decommit(granule * kCommitGranule, kCommitGranule);
    }
}

uint64_t CommitMap::decommit(ByteRange range) {
    const uint64_t end = std::min(range.to / kCommitGranule, usedChunks_ * kGranulesPerChunk);
    return decommitGranules(up(range.from, kCommitGranule), end);
}

uint64_t CommitMap::decay(uint32_t ageMs) {
    if (keeps_) return 0;
    uint64_t bytes = 0;
    const uint32_t now = coarseMs();
    for (uint64_t chunk = 0; chunk < usedChunks_ && dirtyChunks_ > 0;) {
        uint64_t end = chunk;
        while (end < usedChunks_ && chunks_[end].freeSince != 0 && now - chunks_[end].freeSince >= ageMs) end++;
        if (end > chunk) bytes += decommitGranules(chunk * kGranulesPerChunk, end * kGranulesPerChunk);
        chunk = end + 1;
    }
    return bytes;
}

}  // namespace daxkind
