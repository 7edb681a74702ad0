// Which parts of a region are backed by storage, and since when a part that is backed has been free. Storage comes in
// chunks of 2 MiB while the file system has room for them, and in granules (region.h) for its last bit; it goes back in
// chunks as they decay, or in granules when everything is asked for.
//
// Who may call: anybody who holds the heap's lock. Units and their ranges are the run allocator's; this keeps no list
// of what is free and is told.
#pragma once

#include <cstdint>

#include "heap/lazy_array.h"
#include "region/region.h"

namespace daxkind {

// The huge page size of x86-64, and of arm64 with 4 KiB pages.
constexpr uint64_t kChunkSize = 2 * 1024 * 1024;

// A range of bytes of the region, [from, to).
struct ByteRange {
    uint64_t from;
    uint64_t to;
};

class CommitMap {
  public:
    // 0 or -errno. `decommitAtOnce`: whole free chunks are given back as they appear.
    int open(Region* region, bool decommitAtOnce);

    // Backs a range. 0 or the region's error, with what was backed before and perhaps more.
    int commit(ByteRange range);
    // The first byte of the first part of the range that is not backed, a multiple of the granule; or range.to.
    uint64_t firstMissing(ByteRange range) const;

    // The range is in use from now on.
    void markUsed(ByteRange range);
    // The range has become free, and with its neighbours `whole` is.
    void markFreed(ByteRange range, ByteRange whole);

    // Gives back chunks that have been free for at least `ageMs`. Returns bytes.
    uint64_t decay(uint32_t ageMs);
    // Gives back storage that got into parts of a range that are not backed as far as this knows.
    void dropStray(ByteRange range);
    // Gives back all granules inside a range, which is free. Returns bytes.
    uint64_t decommit(ByteRange range);

    // Nothing at and above this byte is backed.
    uint64_t usedEnd() const { return isElastic_ ? usedChunks_ * kChunkSize : region_->capacity(); }
    uint64_t committedBytes() const { return isElastic_ ? committedGranules_ * kCommitGranule : region_->capacity(); }
    // From now on storage goes back by decommit() alone.
    void keep() {
        decommitAtOnce_ = false;
        keeps_ = true;
    }
    // Whether some whole chunk is free and still backed, so that decay() will have work.
    bool hasDirtyChunks() const { return dirtyChunks_ > 0 && !keeps_; }

  private:
    struct Chunk {
        uint32_t committed;  // One bit for each granule.
        uint32_t
            freeSince;  // Coarse clock in ms, never 0, when the whole chunk became free; 0: it is not, or is clean.
    };

    bool isCommitted(uint64_t granule) const;
    int commitGranules(uint64_t first, uint64_t last);
    uint64_t decommitGranules(uint64_t first, uint64_t last);

    Region* region_ = nullptr;
    bool isElastic_ = true;
    bool decommitAtOnce_ = false;
    bool keeps_ = false;
    LazyArray<Chunk> chunks_;
    uint64_t committedGranules_ = 0;
    uint64_t dirtyChunks_ = 0;
    uint64_t usedChunks_ = 0;  // Chunks at and above this index have never been committed.
};

}  // namespace daxkind
