// Finds entries by the hash of their key, and remembers which keys were evicted lately (ghosts).
//
// The index is cut into stripes by the lower bits of the hash. Each stripe has a lock and a table of buckets of its
// own. A table grows by one bucket at a time (linear hashing: Litwin, 1980), in memory that is reserved from the start.
// So it never has to be copied, and no call is slower than others because the index grows. It does not shrink.
//
// Whoever holds the lock of a stripe may call what has that stripe as its argument.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "cache/entries.h"
#include "cache/mutex.h"
#include "cache/queues.h"
#include "syscalls/lazy_array.h"

namespace daxkind::cache {

// What has been asked of a stripe, for the statistics.
struct StripeCounts {
    uint64_t hits = 0;
    uint64_t misses = 0;
    uint64_t sets = 0;
    uint64_t deletes = 0;
};

class alignas(64) Stripe {
  public:
    Mutex mutex;
    StripeCounts counts;

  private:
    friend class Index;
    uint32_t* buckets_ = nullptr;
    uint32_t size_ = 1;   // Buckets in use.
    uint32_t mask_ = 0;   // The least power of two that is not below `size_`, less one.
    uint32_t count_ = 0;  // Entries in them.
    uint32_t* ghosts_ = nullptr;
    uint32_t ghostSets_ = 1;  // A power of two.
};

class Index {
  public:
    // `stripes` is a power of two, at most kMostStripes. `most` is how many entries there can be. 0 or -errno (ENOMEM);
    // then it may be called again.
    int open(Entries* entries, uint32_t stripes, uint64_t most);

    uint32_t stripes() const { return stripeMask_ + 1; }
    Stripe& stripe(uint32_t number) { return stripes_[number]; }
    Stripe& stripeOf(uint32_t hash) { return stripes_[hash & stripeMask_]; }

    // The first entry of the bucket that has such hashes. The others follow by Entry::next.
    uint32_t first(const Stripe& stripe, uint32_t hash) const { return stripe.buckets_[bucketOf(stripe, hash)]; }
    void add(Stripe& stripe, uint32_t index);
    void remove(Stripe& stripe, uint32_t index);

    // The key of that hash has been evicted.
    void remember(Stripe& stripe, uint32_t hash, Ghost ghost);
    // What is remembered of the key. It is forgotten by that.
    Ghost recall(Stripe& stripe, uint32_t hash);

    // The entries of a stripe in an order that stays the same while the index grows: by the reversed bits of the hash.
    // A position is from 0 to kEnd. Gives the entries of one bucket, and the position behind it.
    static constexpr uint64_t kEnd = 1ull << 32;
    uint64_t bucketAt(const Stripe& stripe, uint64_t position, uint32_t* first) const;

    // Bytes of DRAM that the stripe takes, with its buckets and ghosts.
    static uint64_t bytesOf(const Stripe& stripe) {
        return sizeof(Stripe) + sizeof(uint32_t) * (stripe.size_ + uint64_t{kGhostWays} * stripe.ghostSets_);
    }

    static constexpr uint32_t kMostStripes = 256;

  private:
    static constexpr uint32_t kGhostWays = 4;

    // The bits of the hash that the stripe's number does not tell.
    uint32_t restOf(uint32_t hash) const { return hash >> stripeBits_; }
    uint32_t bucketOf(const Stripe& stripe, uint32_t hash) const;
    void split(Stripe& stripe);
    uint32_t* ghostSet(const Stripe& stripe, uint32_t hash) const {
        return stripe.ghosts_ + size_t{kGhostWays} * (restOf(hash) & (stripe.ghostSets_ - 1));
    }

    Entries* entries_ = nullptr;
    std::unique_ptr<Stripe[]> stripes_;
    uint32_t stripeMask_ = 0;
    uint32_t stripeBits_ = 0;
    uint32_t bucketsEach_ = 0;  // What a stripe has room for, a power of two.
    syscalls::LazyArray<uint32_t> buckets_;
    syscalls::LazyArray<uint32_t> ghosts_;
};

}  // namespace daxkind::cache
