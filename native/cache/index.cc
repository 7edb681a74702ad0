#include "cache/index.h"

#include <algorithm>
#include <cerrno>
#include <new>

namespace daxkind::cache {

namespace {

uint32_t powerAbove(uint64_t number) {
    uint32_t power = 1;
    while (power < number) power *= 2;
    return power;
}

uint32_t reverse(uint32_t bits) {
    bits = (bits >> 1 & 0x55555555) | (bits & 0x55555555) << 1;
    bits = (bits >> 2 & 0x33333333) | (bits & 0x33333333) << 2;
    bits = (bits >> 4 & 0x0f0f0f0f) | (bits & 0x0f0f0f0f) << 4;
    return __builtin_bswap32(bits);
}

// A ghost is the hash of its key without its lowest bit, which says what queue gave it away. 0 is no ghost.
uint32_t tagOf(uint32_t hash, Ghost ghost) {
    const uint32_t bits = hash & ~1u;
    return (bits == 0 ? 2 : bits) | (ghost == Ghost::kMain ? 1 : 0);
}

}  // namespace

int Index::open(Entries* entries, uint32_t stripes, uint64_t most) {
    entries_ = entries;
    stripeMask_ = stripes - 1;
    while (1u << stripeBits_ < stripes) stripeBits_++;
    stripes_.reset(new (std::nothrow) Stripe[stripes]);
    if (stripes_ == nullptr) return -ENOMEM;
    // Hashes are not spread evenly: some stripes get more entries than their share. Without room for another bucket the
    // lists of a stripe grow.
    bucketsEach_ = powerAbove(std::max<uint64_t>(4, most / stripes));
    buckets_.close();
    ghosts_.close();
    int error = buckets_.reserve(size_t{bucketsEach_} * stripes);
    if (error == 0) error = ghosts_.reserve(size_t{bucketsEach_} * stripes);
    if (error != 0) return error;
    for (uint32_t i = 0; i < stripes; i++) {
        stripes_[i].buckets_ = buckets_.data() + size_t{bucketsEach_} * i;
        stripes_[i].ghosts_ = ghosts_.data() + size_t{bucketsEach_} * i;
    }
    return 0;
}

uint32_t Index::bucketOf(const Stripe& stripe, uint32_t hash) const {
    const uint32_t rest = restOf(hash);
    const uint32_t bucket = rest & stripe.mask_;
    return bucket < stripe.size_ ? bucket : rest & stripe.mask_ >> 1;
}

void Index::add(Stripe& stripe, uint32_t index) {
    Entry& entry = (*entries_)[index];
    uint32_t& first = stripe.buckets_[bucketOf(stripe, entry.hash)];
    entry.next = first;
    first = index;
    stripe.count_++;
    if (stripe.count_ > stripe.size_ && stripe.size_ < bucketsEach_) split(stripe);
    // So there are half as many to as many ghosts as entries.
    const uint32_t more = 2 * kGhostWays * stripe.ghostSets_;
    if (stripe.count_ >= more && more <= bucketsEach_) stripe.ghostSets_ *= 2;
}

void Index::split(Stripe& stripe) {
    const uint32_t added = stripe.size_++;
    if (added > stripe.mask_) stripe.mask_ = 2 * stripe.mask_ + 1;
    const uint32_t old = added & stripe.mask_ >> 1;
    uint32_t* from = &stripe.buckets_[old];
    uint32_t* to = &stripe.buckets_[added];
    // The order in each of the two lists stays what it was.
    while (*from != kNone) {
        Entry& entry = (*entries_)[*from];
        if (bucketOf(stripe, entry.hash) == added) {
            *to = *from;
            *from = entry.next;
            to = &entry.next;
        } else {
            from = &entry.next;
        }
    }
    *to = kNone;
}

void Index::remove(Stripe& stripe, uint32_t index) {
    uint32_t* at = &stripe.buckets_[bucketOf(stripe, (*entries_)[index].hash)];
    while (*at != index) at = &(*entries_)[*at].next;
    *at = (*entries_)[index].next;
    stripe.count_--;
}

void Index::remember(Stripe& stripe, uint32_t hash, Ghost ghost) {
    if (ghost == Ghost::kNone) return;
    uint32_t* const set = ghostSet(stripe, hash);
    // The newest comes first, and the oldest goes.
    std::copy_backward(set, set + kGhostWays - 1, set + kGhostWays);
    set[0] = tagOf(hash, ghost);
}

Ghost Index::recall(Stripe& stripe, uint32_t hash) {
    uint32_t* const set = ghostSet(stripe, hash);
    for (uint32_t way = 0; way < kGhostWays; way++) {
        if ((set[way] & ~1u) != tagOf(hash, Ghost::kSmall)) continue;
        const Ghost ghost = (set[way] & 1) != 0 ? Ghost::kMain : Ghost::kSmall;
        std::copy(set + way + 1, set + kGhostWays, set + way);
        set[kGhostWays - 1] = 0;
        return ghost;
    }
    return Ghost::kNone;
}

uint64_t Index::bucketAt(const Stripe& stripe, uint64_t position, uint32_t* first) const {
    const uint32_t rest = reverse(static_cast<uint32_t>(position));
    uint32_t mask = stripe.mask_;
    // A bucket that has not been split yet, in this round of splits, holds the hashes of its later half, too.
    const uint32_t half = mask >> 1;
    if (mask > 0 && (rest & half) + half + 1 >= stripe.size_) mask = half;
    *first = stripe.buckets_[rest & mask];
    const uint64_t length = kEnd / (uint64_t{mask} + 1);
    return (position & ~(length - 1)) + length;
}

}  // namespace daxkind::cache
