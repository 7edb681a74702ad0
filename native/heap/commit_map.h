// Which parts of a region are backed by storage, and since when a part that is backed has been free. Storage comes in
// chunks of 2 MiB while the file system has room for them, and in granules (region.h) for its last bit; it goes back in
// chunks as they decay, or in granules when everything is asked for.
//
// System calls take long: milliseconds for some MiB, for ever where a page is pinned. None is made under the heap's
// lock. Whoever makes one claims its granules first, lets go of the lock for the call, and books the outcome after it.
// Nobody else changes the backing of a claimed granule, and nobody stores into one.
//
// Who may call: anybody who holds the heap's lock. Calls that take the lock as an argument let go of it meanwhile, so
// that everything else may have changed when they return. Units and their ranges are the run allocator's; this keeps
// no list of what is free and is told.
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

// How long a full file system is taken for full: room that others make is seen after this.
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
    uint64_t bytes;     // Given back.
    uint32_t nextInMs;  // When there is more to do: 0, now; kNever, when something else becomes free.
};

class CommitMap {
  public:
    // 0 or -errno.
    int open(Region* region);

    // Backs a range. 0; the region's error; or -EBUSY when the storage of a part of it has been on its way back for
    // some milliseconds. On failure what was backed before stays so, and perhaps more is.
    int commit(HeapLock& lock, ByteRange range);
    // The first byte of the first part of the range that is not backed, a multiple of the granule; or range.to.
    uint64_t firstMissing(ByteRange range) const;

    // The range is in use from now on.
    void markUsed(ByteRange range);
    // The range has become free, and with its neighbours `whole` is. It has not been used for `idleMs` already.
    void markFreed(ByteRange range, ByteRange whole, uint32_t idleMs);

    // Gives back a stretch of the chunks that have been free for at least `ageMs`, and says when to come again.
    ScavengeStep decay(HeapLock& lock, uint32_t ageMs);
    // Gives back the first backed stretch inside a range that is free, of at most `most` bytes. Returns bytes; 0: there
    // is none.
    uint64_t decommit(HeapLock& lock, ByteRange range, uint64_t most);
    // Gives back the storage that got into parts of a range that are not backed as far as this knows: where a hole was
    // read that tmpfs filled, or where storage was not taken back because of an error.
    void sweep(HeapLock& lock, ByteRange range);

    // Nothing at and above this byte is backed.
    uint64_t usedEnd() const { return isElastic_ ? usedChunks_ * kChunkSize : region_->capacity(); }
    uint64_t committedBytes() const { return isElastic_ ? committedGranules_ * kCommitGranule : region_->capacity(); }
    // What has turned out to be bad where storage was committed, since this was called before: bytes of the region.
    std::vector<ByteRange> takeBad() { return std::exchange(bad_, {}); }
    // Whether there is storage for sweep() to give back: a chunk or more, or some that was not taken back before.
    bool hasStray() const { return hasFailed_ || holdsStray(); }
    // The same without what should have been taken back: what the region's storage is more than has been committed.
    bool holdsStray() const;
    // From now on storage goes back by decommit() alone.
    void keep() { keeps_ = true; }
    // Whether some whole chunk is free and still backed, so that decay() will have work.
    bool hasDirtyChunks() const { return dirtyChunks_ > 0 && !keeps_; }
    // Whether storage is being given back just now.
    bool isScavenging() const { return scavenging_ > 0; }
    // How many system calls have given back storage, or failed to.
    uint64_t punches() const { return punches_; }

  private:
    struct Chunk {
        uint32_t committed;  // One bit for each granule.
        uint32_t claimed;    // Likewise: a system call for it is under way.
        // When the whole chunk became free, by coarseMs(); 0: it is not free, or it is clean.
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
    // Around the system calls: the lock is let go of and taken again.
    int commitClaimed(HeapLock& lock, Granules range);
    uint64_t decommitClaimed(HeapLock& lock, Granules range);
    int punch(HeapLock& lock, Granules range);
    // The first range in [first, last), of at most `most` granules, of which `has` is true.
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
    // How much one system call backs or gives back: others wait for its claim, and for the kernel's lock of the file.
    Pace commitPace_{kChunkSize, 512 * kChunkSize};
    Pace punchPace_{kChunkSize, 512 * kChunkSize};
    uint64_t claimedFrom_ = UINT64_MAX;          // All granules from here on are claimed.
    uint64_t decayAt_ = 0;                       // The chunk that decay() goes on from.
    uint32_t soonestMs_ = ScavengeStep::kNever;  // When the first chunk is due of those that it has passed.
    uint64_t punches_ = 0;
    uint32_t scavenging_ = 0;  // System calls under way.
    bool hasFailed_ = false;   // A system call has failed since the last sweep.
    std::condition_variable unclaimed_;
    std::vector<ByteRange> bad_;

    // The file system is full: until then no attempt is made for as much, or more.
    uint32_t fullSince_ = 0;  // Coarse clock; 0: it is not.
    int fullError_ = 0;
    uint64_t fullGranules_ = 0;
    uint32_t tightSince_ = 0;  // Likewise: no whole chunks are asked for.
};

}  // namespace daxkind
