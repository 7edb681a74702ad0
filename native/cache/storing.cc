// How a cache stores entries.
#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <utility>

#include "cache/cache.h"
#include "cache/inside.h"

namespace daxkind::cache {

namespace {

// A block is never so bad that another one would not be better; this many in a row say that something else is wrong.
constexpr int kBadBlocks = 16;
// How often a value is written anew because of a page that was not known to be bad.
constexpr int kMostLosses = 4;
// Evicting for a block of less than this part of the cache is no harm.
constexpr uint64_t kHarmlessPart = 16;
// How often it is looked whether there is no hope. Blocks that other threads are about to make entries cannot be
// evicted for that moment.
constexpr int kHopelessLooks = 3;
// A value whose length is not known is written into a block of up to this part of the cache, and beyond that in DRAM
// until it is whole. A longer block needs a place of twice its length, in one piece, beside itself: for that all other
// entries would have to go, and it may not be had even then.
constexpr uint64_t kLongPart = 8;

uint64_t after(uint64_t now, uint64_t ms) {
    return ms == 0 || ms > kNever - now ? kNever : now + ms;
}

bool isOutOfMemory(int error) {
    return error == -ENOMEM || error == -ENOSPC || error == -EDQUOT;
}

}  // namespace

bool Cache::isHopeless(uint64_t bytes) {
    for (int look = 0; look < kHopelessLooks; look++) {
        uint64_t evictable;
        {
            const std::lock_guard<Mutex> lock(policy_);
            if (bytes < bytes_ / kHarmlessPart) return false;
            // What is on its way to the heap is in no sum.
            if (queues_.cleared() != kNone || blocksRemoved_ != blocksFreed_) return false;
            evictable = bytes_ - std::min<uint64_t>(bytes_, pinnedBytes_);
        }
        if (blocks_.kind().heap.unheldBytes() + evictable >= bytes) return false;
        sched_yield();
    }
    return true;
}

int Cache::allocate(uint32_t code, uint64_t* offset) {
    uint64_t wanted = Entry::bytesOfCode(code, unitShift_);
    const uint64_t bytes = wanted;
    int bad = 0;
    bool canEvict = true;
    for (;;) {
        const uint64_t freed = blocksFreed_;
        const int error = blocks_.allocate(code, canEvict, offset);
        if (error == 0) {
            if (!blocks_.isLost(*offset, bytes) || ++bad == kBadBlocks) return 0;
            // The heap takes the place out of use when it gets the block back.
            blocks_.free(code, *offset);
            continue;
        }
        if (!isOutOfMemory(error)) return error;
        if (error == -ENOMEM && wanted == bytes && isHopeless(bytes)) return error;
        if (!evictSome(wanted)) {
            // Nothing is left. But other threads may have freed something since the attempt, or are about to. And those
            // who use the kind for other things have free blocks.
            if (blocksRemoved_ != freed)
                sched_yield();
            else if (canEvict)
                canEvict = false;
            else
                return error;
            continue;
        }
        // What has been freed may lie apart. Each time more is freed, so that the attempts are few.
        wanted *= 2;
    }
}

int Cache::set(const Key& key, const void* value, size_t length, uint8_t encoding, Lifetime lifetime) {
    const int error = store(key, value, length, encoding, lifetime);
    // The old value is not what the key should have.
    if (error != 0) drop(key);
    return error;
}

int Cache::store(const Key& key, const void* value, size_t length, uint8_t encoding, Lifetime lifetime) {
    for (int loss = 1;; loss++) {
        Draft draft;
        int error = begin(key, length, &draft);
        if (error != 0) return error;
        if (length > 0) std::memcpy(valueOf(draft), value, length);
        draft.length = length;
        error = publish(key, &draft, encoding, lifetime);
        // A page was found to be lost when it was written. The block with it is in use no more.
        if (error != -EHWPOISON || loss == kMostLosses) return error;
    }
}

uint32_t Cache::codeFor(uint32_t keyLength, uint64_t length) const {
    if (length > kMostValueBytes) return 0;
    const uint32_t code = blocks_.codeFor(valueAt(keyLength) + length);
    return Entry::bytesOfCode(code, unitShift_) > options_.maxBytes ? 0 : code;
}

char* Cache::valueOf(const Draft& draft) const {
    if (draft.apart != nullptr) return draft.apart.get();
    return blocks_.base() + draft.offset + valueAt(draft.keyLength);
}

int Cache::begin(const Key& key, uint64_t expected, Draft* draft) {
    const uint32_t code = codeFor(key.length, expected);
    if (code == 0) return -EFBIG;
    const int error = allocate(code, &draft->offset);
    if (error != 0) return error;
    draft->code = code;
    draft->keyLength = key.length;
    draft->length = 0;
    draft->capacity = Entry::bytesOfCode(code, unitShift_) - valueAt(key.length);
    if (key.length > 0) std::memcpy(blocks_.base() + draft->offset + sizeof(Header), key.data, key.length);
    return 0;
}

int Cache::append(Draft* draft, const void* bytes, size_t length) {
    if (length > kMostValueBytes - draft->length) return -EFBIG;
    if (draft->length + length > draft->capacity) {
        const int error = grow(draft, draft->length + length);
        if (error != 0) return error;
    }
    if (length > 0) std::memcpy(valueOf(*draft) + draft->length, bytes, length);
    draft->length += length;
    return 0;
}

int Cache::grow(Draft* draft, uint64_t needed) {
    if (codeFor(draft->keyLength, needed) == 0) return -EFBIG;
    // Doubling keeps the copies few.
    const uint64_t wanted = std::max(needed, std::min({2 * draft->capacity, kMostValueBytes, options_.maxBytes}));
    const uint32_t code = codeFor(draft->keyLength, wanted);
    const uint64_t bytes = Entry::bytesOfCode(code, unitShift_);
    if (draft->apart != nullptr) {
        void* const memory = std::realloc(draft->apart.get(), wanted);
        if (memory == nullptr) return -ENOMEM;
        static_cast<void>(draft->apart.release());
        draft->apart.reset(static_cast<char*>(memory));
        draft->capacity = wanted;
        return 0;
    }
    Draft longer;
    const uint64_t start = valueAt(draft->keyLength);
    if (code != 0 && bytes <= options_.maxBytes / kLongPart && allocate(code, &longer.offset) == 0) {
        longer.code = code;
        longer.capacity = bytes - start;
        std::memcpy(blocks_.base() + longer.offset, blocks_.base() + draft->offset, start + draft->length);
    } else {
        longer.apart.reset(static_cast<char*>(std::malloc(wanted)));
        longer.capacity = wanted;
        if (longer.apart == nullptr) return -ENOMEM;
        std::memcpy(longer.apart.get(), valueOf(*draft), draft->length);
    }
    const bool isLost = blocks_.isLost(draft->offset, Entry::bytesOfCode(draft->code, unitShift_));
    longer.keyLength = draft->keyLength;
    longer.length = draft->length;
    abandon(draft);
    *draft = std::move(longer);
    // Zeros have taken the place of what was written.
    return isLost ? -EHWPOISON : 0;
}

void Cache::abandon(Draft* draft) {
    if (draft->code != 0) blocks_.free(draft->code, draft->offset);
    draft->code = 0;
    draft->apart.reset();
}

void Cache::enter(Stripe& stripe, uint32_t index, uint32_t old, const Key& key, const Draft& draft, Removed* removed) {
    Entry& entry = entries_[index];
    entry.hash = key.hash;
    entry.code = draft.code;
    entry.setPlace(draft.offset / kSizeQuantum);
    entry.pins = 0;
    const int era = era_.load(std::memory_order_relaxed);
    entry.state.store(static_cast<uint8_t>(era << kEraShift), std::memory_order_relaxed);
    bytes_ += bytesOf(entry);
    count_++;
    if (old == kNone) {
        queues_.add(index, index_.recall(stripe, key.hash));
    } else {
        // The old entry leaves its place in the queue to the new one.
        queues_.replace(old, index);
        takeLocked(stripe, old, std::nullopt, removed);
    }
    index_.add(stripe, index);
}

int Cache::publish(const Key& key, Draft* draft, uint8_t encoding, Lifetime lifetime) {
    if (draft->apart != nullptr) return store(key, draft->apart.get(), draft->length, encoding, lifetime);
    draft->code = blocks_.shrink(draft->code, draft->offset, valueAt(key.length) + draft->length);
    const uint64_t bytes = Entry::bytesOfCode(draft->code, unitShift_);
    auto* const header = reinterpret_cast<Header*>(blocks_.base() + draft->offset);
    const uint64_t now = lifetime.freshMs == 0 ? 0 : nowMs();
    const uint64_t freshUntil = after(now, lifetime.freshMs);
    const uint64_t until =
        freshUntil == kNever || lifetime.staleMs == 0 ? freshUntil : after(freshUntil, lifetime.staleMs);
    *header = {freshUntil, until, key.length, static_cast<uint32_t>(draft->length), key.sort, encoding, {}};
    if (blocks_.isLost(draft->offset, bytes)) {
        // It would be a miss from the start.
        abandon(draft);
        return -EHWPOISON;
    }
    Stripe& stripe = index_.stripeOf(key.hash);
    for (;;) {
        Removed removed;
        bool isDone = false;
        bool isFull = false;
        uint64_t due = kNever;
        {
            const std::lock_guard<Mutex> lock(stripe.mutex);
            uint32_t old = findWhole(stripe, key, false, &removed);
            const std::lock_guard<Mutex> policyLock(policy_);
            // It may have been cleared since it was found.
            if (old != kNone && !isCurrent(entries_[old])) old = kNone;
            const uint64_t oldBytes = old == kNone ? 0 : bytesOf(entries_[old]);
            const auto isOver = [&] {
                return bytes_ - oldBytes + bytes > options_.maxBytes ||
                       count_ + (old == kNone ? 1 : 0) > options_.maxEntries;
            };
            while (isOver() && !removed.isFull() && evictOne(&stripe, old, &removed)) {
            }
            // What findWhole() has yet to take may hide the old entry.
            const bool hasRoom = !isOver() && !removed.isFull();
            const uint32_t index = hasRoom ? entries_.take() : kNone;
            if (index == kNone && hasRoom) {
                // What has been cleared, or is evicted, gives its entry back, unless it is pinned.
                const bool hasTaken = reapOne(&stripe, &removed) || evictOne(&stripe, kNone, &removed);
                isFull = !hasTaken && count_ == 0 && queues_.cleared() == kNone;
            }
            if (index != kNone) {
                enter(stripe, index, old, key, *draft, &removed);
                if (until != kNever) {
                    // The tick after it: then it is over.
                    wheel_.add(index, until / kTickMs + 1, now / kTickMs);
                    due = wheel_.next().value_or(kNever / kTickMs) * kTickMs;
                }
                stripe.counts.sets++;
                isDone = true;
            }
        }
        const bool isIdle = removed.taken == 0;
        finish(&removed);
        if (isDone) {
            if (due != kNever) wake(due > now ? due - now : 0);
            draft->code = 0;
            return 0;
        }
        if (isFull) {
            abandon(draft);
            return -EAGAIN;
        }
        if (isIdle) sched_yield();
    }
}

}  // namespace daxkind::cache
