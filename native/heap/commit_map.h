// Which parts of a region are backed by storage, and since when a backed part has been free. Storage comes in chunks of
// 2 MiB while the file system has room for them. The last of its room is taken in granules (region.h). Storage goes
// back in chunks when they decay, and in granules when all of it is asked for.
//
// System calls take long: milliseconds for some MiB, and for ever where a page is pinned. None is made under the heap's
// lock. A thread that makes one claims the granules first, lets go of the lock for the call, and books the outcome
// after it. Nobody else changes the backing of a claimed granule, and nobody stores into one.
//
// Who may call: anybody who holds the heap's lock. Calls that take the lock as an argument let go of it meanwhile.
// Everything else may have changed when they return. The commit map keeps no list of what is free: the run allocator
// tells it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

#include "jobs/pace.h"
#include "region/region.h"
#include "syscalls/lazy_array.h"
#include "syscalls/sizes.h"

namespace daxkind {

constexpr uint64_t kChunkSize = kHugePageSize;

// How long a full file system is taken for full. Room that others make is seen after this time.
constexpr uint32_t kFullMs = 250;

using HeapLock = std::unique_lock<std::mutex>;

// A range of bytes of the region, [from, to).
struct ByteRange {
    uint64_t from;
    uint64_t to;
};

// What a bounded step of giving back storage has done.
struct ScavengeStep {
    static constexpr uint32_t kNever = UINT32_MAX;
    uint64_t bytes;     // How many bytes went back.
    uint32_t nextInMs;  // When there is more to do. 0: now. kNever: not before something else becomes free.
};

class CommitMap {
  public:
    // 0 or -errno.
    int open(Region* region);

    // Backs a range. 0; the region's error; or -EBUSY if the storage of a part of the range has been on its way back
    // for some milliseconds. After a failure all that was backed before still is, and perhaps more.
    int commit(HeapLock& lock, ByteRange range);
    // The first byte of the first granule of the range that is not backed, or range.to.
    uint64_t firstMissing(ByteRange range) const;

    // The range is in use from now on.
    void markUsed(ByteRange range);
    // The range has become free. `whole` is the free run that it is now a part of. Nobody has used the range for
    // `idleMs` already.
    void markFreed(ByteRange range, ByteRange whole, uint32_t idleMs);

    // Gives back a stretch of chunks that have been free for at least `ageMs`, and says when to come again.
    ScavengeStep decay(HeapLock& lock, uint32_t ageMs);
    // Gives back the first backed stretch in a free range, `most` bytes at most. Returns bytes. 0: nothing went back.
    uint64_t decommit(HeapLock& lock, ByteRange range, uint64_t most);
    // Gives back stray storage in a range: storage where this map knows of none. tmpfs fills a hole that somebody
    // reads, and storage may have stayed where a system call failed.
    void sweep(HeapLock& lock, ByteRange range);

    // Nothing at and above this byte is backed.
    uint64_t usedEnd() const { return isElastic_ ? usedChunks_ * kChunkSize : region_->capacity(); }
    uint64_t committedBytes() const { return isElastic_ ? committedGranules_ * kCommitGranule : region_->capacity(); }
    // Ranges of the region that turned out to be bad when their storage was committed, since the last call of this.
    std::vector<ByteRange> takeBad() { return std::exchange(bad_, {}); }
    // Whether there is storage for sweep() to give back: at least a chunk, or what a system call that failed may have
    // left.
    bool hasStray() const { return hasFailed_ || holdsStray(); }
    // Whether the region has at least a chunk more storage than has been committed.
    bool holdsStray() const;
    // From now on only decommit() gives storage back.
    void keep() { keeps_ = true; }
    // Whether a whole chunk is free and still backed, so that decay() will have work.
    bool hasDirtyChunks() const { return dirtyChunks_ > 0 && !keeps_; }
    // Whether storage is being given back at this moment.
    bool isScavenging() const { return scavenging_ > 0; }
    // How many system calls have given storage back, or have failed to.
    uint64_t punches() const { return punches_; }

  private:
    struct Chunk {
        uint32_t committed;  // One bit for each granule.
        uint32_t claimed;    // One bit for each granule: a system call for it is under way.
        // When the whole chunk became free, by coarseMs(). 0: it is not free, or it has no storage.
        uint32_t freeSince;
    };
    // A range in granules, [from, to).
    struct Granules {
        uint64_t from;
        uint64_t to;
    };

    bool isCommitted(uint64_t granule) const;
    bool isClaimed(uint64_t granule) const;
    bool isMissing(uint64_t granule) const { return !isCommitted(granule) && !isClaimed(granule); }
    void claim(Granules range, bool isClaim);
    void book(Granules range, bool isBacked);
    // Waits until nobody has a claim to the granule. False if that takes long.
    bool awaitClaim(HeapLock& lock, uint64_t granule);
    // These make the system calls. They let go of the lock for a call and take it again.
    int commitClaimed(HeapLock& lock, Granules range);
    // Region::foresee of what a range is missing. It lets go of the lock, too.
    int foresee(HeapLock& lock, Granules range);
    uint64_t decommitClaimed(HeapLock& lock, Granules range);
    int punch(HeapLock& lock, Granules range);
    // The first range in [first, last) for whose granules `has` is true, `most` granules at most.
    template <typename Has>
    Granules stretch(uint64_t first, uint64_t last, uint64_t most, Has has) const;
    template <typename Change>
    void eachChunk(Granules range, Change change);
    template <typename Call>
    int withoutLock(HeapLock& lock, Granules range, Pace* pace, Call call);

    Region* region_ = nullptr;
    bool isElastic_ = true;
    bool keeps_ = false;
    syscalls::LazyArray<Chunk> chunks_;
    uint64_t committedGranules_ = 0;
    uint64_t dirtyChunks_ = 0;
    uint64_t usedChunks_ = 0;  // Chunks at and above this index have never been committed.
    // How much one system call backs or gives back. It is little, because other threads wait for the claim and for the
    // kernel's lock of the file.
    Pace commitPace_{kChunkSize, 512 * kChunkSize};
    Pace punchPace_{kChunkSize, 512 * kChunkSize};
    uint64_t claimedFrom_ = UINT64_MAX;          // All granules from here on are claimed.
    uint64_t decayAt_ = 0;                       // The chunk where decay() goes on.
    uint32_t soonestMs_ = ScavengeStep::kNever;  // When the first of the chunks that decay() has passed will be due.
    uint64_t punches_ = 0;
    uint32_t scavenging_ = 0;  // System calls under way.
    bool hasFailed_ = false;   // A system call has failed since the last sweep.
    std::condition_variable unclaimed_;
    std::vector<ByteRange> bad_;

    // The file system is full. For kFullMs nobody tries to get that many granules or more.
    uint32_t fullSince_ = 0;  // By coarseMs(). 0: it is not full.
    int fullError_ = 0;
    uint64_t fullGranules_ = 0;
    uint32_t tightSince_ = 0;  // By coarseMs(). For kTightMs no whole chunks are asked for.
};

}  // namespace daxkind
