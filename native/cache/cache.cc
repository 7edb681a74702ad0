#include "cache/cache.h"

#include <sched.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <new>
#include <utility>

#include "cache/alarm.h"
#include "jobs/background.h"

namespace daxkind::cache {

namespace {

// A time that never comes.
constexpr uint64_t kNever = UINT64_MAX;
// How many victims whose stripes are locked are passed over before the caller lets go of its own locks.
constexpr int kBusyVictims = 16;
// How many entries are removed without letting go of the locks, and how many bytes of their keys are copied at most,
// beside those of one key.
constexpr size_t kBatch = 64;
constexpr size_t kBatchKeyBytes = 65536;
// How many entries of the timer wheel are looked at without letting go of the locks.
constexpr int kTimerBatch = 256;
// Room for entries that are pinned and removed, in a cache of few entries.
constexpr uint64_t kPinnedEntries = 65536;
constexpr uint64_t kMostEntriesEver = 1ull << 31;
// How long a tick works.
constexpr uint64_t kTickWorkMs = 8;
// A task of the background that waits outlives its cache.
constexpr uint64_t kLongestSleepMs = 60'000;
// How many buckets list() looks at in one call.
constexpr int kListBuckets = 1024;
// A block is never so bad that another one would not be better; this many in a row say that something else is wrong.
constexpr int kBadBlocks = 16;

// Does not go back, and stands still while the machine sleeps.
uint64_t nowMs() {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1'000'000;
}

uint64_t after(uint64_t now, uint64_t ms) {
    return ms == 0 || ms > kNever - now ? kNever : now + ms;
}

bool isOutOfMemory(int error) {
    return error == -ENOMEM || error == -ENOSPC || error == -EDQUOT;
}

// The processor fetches that much of what a value is copied from, and to, while get() looks for the entry. With
// entries of 1 KiB that are in no cache of the processor, get() takes a fifth less time by it.
constexpr size_t kPrefetched = 1024;
constexpr size_t kCacheLine = 64;

template <bool isWrite>
void prefetch(const char* at, size_t length) {
    const char* const end = at + std::min(length, kPrefetched);
    for (; at < end; at += kCacheLine) __builtin_prefetch(at, isWrite);
}

uint32_t stripesFor(const CacheOptions& options, uint64_t most) {
    if (options.stripes != 0) return options.stripes;
    // A stripe for each 64 entries: with fewer, what a small cache remembers of evicted keys would be older than the
    // cache is long.
    uint32_t stripes = 1;
    while (stripes < Index::kMostStripes && uint64_t{stripes} * 128 <= most) stripes *= 2;
    return stripes;
}

}  // namespace

struct Cache::Header {
    uint64_t freshUntil;  // nowMs(), or kNever.
    uint64_t until;
    uint32_t keyLength;
    uint32_t valueLength;
    KeySort sort;
    uint8_t encoding;
    uint8_t unused[6];
};

// What is left to do when the locks have been let go.
struct Cache::Removed {
    struct Block {
        uint32_t code;
        uint64_t offset;
    };
    Block blocks[kBatch];
    size_t count = 0;
    size_t taken = 0;  // Entries, with those that are pinned and have no block to free.
    size_t keyBytes = 0;
    std::vector<RemovedEntry> entries;
    bool isFull() const { return taken >= kBatch - 1 || keyBytes >= kBatchKeyBytes; }
};

uint64_t Cache::valueAt(uint32_t keyLength) {
    static_assert(sizeof(Header) == 32);
    return (sizeof(Header) + keyLength + kSizeQuantum - 1) & ~uint64_t{kSizeQuantum - 1};
}

Cache::Header* Cache::headerOf(const Entry& entry) const {
    return reinterpret_cast<Header*>(blocks_.base() + offsetOf(entry));
}

const Cache::Header* Cache::wholeHeader(const Entry& entry) const {
    const uint64_t bytes = bytesOf(entry);
    if (blocks_.isLost(offsetOf(entry), bytes)) return nullptr;
    const Header* const header = headerOf(entry);
    // The lengths are read from memory that a page may have been lost of just now.
    if (header->keyLength > kMostKeyBytes || valueAt(header->keyLength) + header->valueLength > bytes) return nullptr;
    return header;
}

// ---- Making ---------------------------------------------------------------------------------------------------------

std::shared_ptr<Cache> Cache::make(const std::shared_ptr<Kind>& kind, const CacheOptions& options, int* error) {
    CacheOptions possible = options;
    // Nothing could be stored in a cache of no entry.
    possible.maxEntries = std::max<uint64_t>(1, options.maxEntries);
    const std::shared_ptr<Cache> cache(new Cache(possible), end);
    *error = cache->open(kind);
    return *error == 0 ? cache : nullptr;
}

int Cache::open(const std::shared_ptr<Kind>& kind) {
    const uint64_t capacity = kind->region->capacity();
    if (capacity / kSizeQuantum > kMostPlaces) return -EFBIG;
    int error = seed_.open();
    if (error != 0) return error;
    hashMask_ = options_.hashBits >= 32 ? UINT32_MAX : (1u << options_.hashBits) - 1;
    unitShift_ = kind->heap.unitShift();
    // Only the block of an empty key and an empty value is as short as a header. What has been removed but is pinned
    // needs an entry, too.
    const uint64_t room = capacity / (sizeof(Header) + kSizeQuantum) + kPinnedEntries;
    uint64_t most = std::min({room, 2 * std::min(options_.maxEntries, room) + kPinnedEntries, kMostEntriesEver});
    for (;; most /= 2) {
        error = entries_.open(most);
        const uint32_t stripes = stripesFor(options_, std::min(most, options_.maxEntries));
        if (error == 0) error = index_.open(&entries_, stripes, most);
        if (error == 0) break;
        // The process may have too few addresses for as many entries as there could be at all: by its limits, or where
        // the kernel promises no more memory than there is. Then entries go sooner.
        if (error != -ENOMEM || most <= 2 * kPinnedEntries) return error;
    }
    queues_.open(&entries_, options_.policy, unitShift_);
    wheel_.open(&entries_, nowMs() / kTickMs);
    alarm_ = std::make_shared<Alarm>(weak_from_this());
    const auto wake = [](void* data) {
        Cache& cache = *static_cast<Cache*>(data);
        cache.isServiceWanted_ = true;
        cache.wake(0);
    };
    return blocks_.open(kind, wake, this);
}

Cache::~Cache() = default;

void Cache::end(Cache* cache) {
    class Ending final : public Task {
      public:
        explicit Ending(std::unique_ptr<Cache> cache) : cache_(std::move(cache)) {}
        std::optional<std::chrono::milliseconds> step() override { return std::nullopt; }

      private:
        const std::unique_ptr<Cache> cache_;
    };
    std::unique_ptr<Cache> owned(cache);
    cache->blocks_.leave();
    // To give the entries' DRAM back takes 3 ms for each million of them, too long for an event loop. It is given back
    // here if there is no thread for it.
    std::unique_ptr<Task> task(new (std::nothrow) Ending(std::move(owned)));
    if (task != nullptr) doInBackground(task);
}

// ---- Finding --------------------------------------------------------------------------------------------------------

uint32_t Cache::find(const Stripe& stripe, const Key& key, bool isToBeCopied) const {
    for (uint32_t index = index_.first(stripe, key.hash); index != kNone; index = entries_[index].next) {
        const Entry& entry = entries_[index];
        if (entry.hash != key.hash || !isCurrent(entry)) continue;
        const Header* const header = headerOf(entry);
        {
            const size_t length = std::min<size_t>(bytesOf(entry), 1088);
            for (size_t at = 0; at < length; at += 64)
                __builtin_prefetch(reinterpret_cast<const char*>(header) + at, 0);
        }
        if (header->keyLength != key.length || header->sort != key.sort) continue;
        // A block whose page has just been lost may be shorter than it says.
        if (sizeof(Header) + key.length > bytesOf(entry)) continue;
        if (key.length == 0 || std::memcmp(header + 1, key.data, key.length) == 0) return index;
    }
    return kNone;
}

uint32_t Cache::findLive(Stripe& stripe, const Key& key, Lookup lookup, Value* value, Removed* removed) {
    const uint32_t index = find(stripe, key, lookup.isToBeCopied);
    if (index == kNone) return kNone;
    Entry& entry = entries_[index];
    const Header* const header = wholeHeader(entry);
    if (header == nullptr) {
        take(stripe, index, Removal::kLost, removed);
        return kNone;
    }
    value->isStale = false;
    value->freshFor = kNever;
    if (header->freshUntil != kNever || header->until != kNever) {
        const uint64_t now = nowMs();
        if (now >= header->until) {
            take(stripe, index, Removal::kExpired, removed);
            return kNone;
        }
        value->isStale = now >= header->freshUntil;
        if (value->isStale && !lookup.takesStale) return kNone;
        if (header->freshUntil != kNever) value->freshFor = value->isStale ? 0 : header->freshUntil - now;
    }
    value->length = header->valueLength;
    value->encoding = header->encoding;
    value->offset = offsetOf(entry) + valueAt(header->keyLength);
    value->entry = index;
    return index;
}

int Cache::get(const Key& key, Lookup lookup, char* to, size_t room, Value* value) {
    Removed removed;
    int status = -ENOENT;
    Stripe& stripe = index_.stripeOf(key.hash);
    prefetch<true>(to, room);
    lookup.isToBeCopied = room > 0;
    {
        const std::lock_guard<std::mutex> lock(stripe.mutex);
        const uint32_t index = findLive(stripe, key, lookup, value, &removed);
        if (index != kNone) {
            Entry& entry = entries_[index];
            status = 0;
            if (value->length <= room) {
                if (value->length > 0) std::memcpy(to, blocks_.base() + value->offset, value->length);
                value->entry = kNone;
                if (blocks_.isLost(offsetOf(entry), bytesOf(entry))) {
                    take(stripe, index, Removal::kLost, &removed);
                    status = -ENOENT;
                }
            } else if (entry.pins == kMostPins) {
                status = -EAGAIN;
            } else {
                entry.pins++;
            }
            if (status == 0 && !lookup.isPeek) {
                if (queues_.policy() == Policy::kLru) {
                    const std::lock_guard<std::mutex> policyLock(policy_);
                    // It may have been cleared since it was found. Then it stays in the list of those.
                    if (isCurrent(entry)) queues_.use(index);
                } else {
                    entry.noteUse();
                }
            }
        }
        if (!lookup.isPeek) (status == 0 ? stripe.counts.hits : stripe.counts.misses)++;
    }
    finish(&removed);
    return status;
}

int Cache::pin(const Key& key, Lookup lookup, Value* value) {
    // Only an empty value is as short as this, and needs no memory that could be pinned.
    return get(key, lookup, nullptr, 0, value);
}

bool Cache::has(const Key& key) {
    Removed removed;
    Value value;
    bool isThere;
    {
        Stripe& stripe = index_.stripeOf(key.hash);
        const std::lock_guard<std::mutex> lock(stripe.mutex);
        isThere = findLive(stripe, key, {false, true}, &value, &removed) != kNone;
    }
    finish(&removed);
    return isThere;
}

void Cache::unpin(uint32_t index) {
    Entry& entry = entries_[index];
    uint32_t code;
    uint64_t offset;
    {
        // The hash of a pinned entry does not change.
        const std::lock_guard<std::mutex> lock(index_.stripeOf(entry.hash).mutex);
        entry.pins--;
        if (entry.pins > 0 || !entry.has(kIsRemoved)) return;
        code = entry.code;
        offset = offsetOf(entry);
        const std::lock_guard<std::mutex> policyLock(policy_);
        removedPinned_--;
        entries_.giveBack(index);
        blocksRemoved_++;
    }
    blocks_.free(code, offset);
    blocksFreed_++;
}

bool Cache::copy(uint32_t index, char* to, size_t length) const {
    const Entry& entry = entries_[index];
    const Header* const header = wholeHeader(entry);
    if (header == nullptr || header->valueLength != length) return false;
    std::memcpy(to, reinterpret_cast<const char*>(header) + valueAt(header->keyLength), length);
    return !blocks_.isLost(offsetOf(entry), bytesOf(entry));
}

// ---- Removing -------------------------------------------------------------------------------------------------------

void Cache::take(Stripe& stripe, uint32_t index, std::optional<Removal> why, Removed* removed) {
    const std::lock_guard<std::mutex> lock(policy_);
    takeLocked(stripe, index, why, removed);
}

void Cache::describe(const Entry& entry, Removal why, Removed* removed) const {
    const Header* const header = headerOf(entry);
    const uint64_t length = header->keyLength;
    const KeySort sort = header->sort;
    if (sizeof(Header) + length > bytesOf(entry)) return;
    std::string key(reinterpret_cast<const char*>(header + 1), length);
    // Zeros have taken the place of a key on a lost page.
    if (blocks_.isLost(offsetOf(entry), sizeof(Header) + length)) return;
    removed->keyBytes += length;
    removed->entries.push_back({why, sort, std::move(key), bytesOf(entry)});
}

void Cache::takeLocked(Stripe& stripe, uint32_t index, std::optional<Removal> why, Removed* removed) {
    Entry& entry = entries_[index];
    index_.remove(stripe, index);
    if (isCurrent(entry)) {
        queues_.remove(index);
        bytes_ -= bytesOf(entry);
        count_--;
        if (why) {
            removals_[static_cast<int>(*why)]++;
            if (hasSinks_.load(std::memory_order_relaxed)) describe(entry, *why, removed);
        }
    } else {
        queues_.removeCleared(index);
    }
    wheel_.remove(index);
    entry.add(kIsRemoved);
    removed->taken++;
    if (entry.pins > 0) {
        removedPinned_++;
        return;
    }
    removed->blocks[removed->count++] = {entry.code, offsetOf(entry)};
    blocksRemoved_++;
    entries_.giveBack(index);
}

void Cache::finish(Removed* removed) {
    if (removed->taken == 0) return;
    for (size_t i = 0; i < removed->count; i++) blocks_.free(removed->blocks[i].code, removed->blocks[i].offset);
    blocksFreed_ += removed->count;
    removed->count = 0;
    if (removed->entries.empty()) return;
    std::vector<std::shared_ptr<RemovalSink>> sinks;
    {
        const std::lock_guard<std::mutex> lock(sinksMutex_);
        for (const std::weak_ptr<RemovalSink>& sink : sinks_) {
            if (std::shared_ptr<RemovalSink> open = sink.lock()) sinks.push_back(std::move(open));
        }
    }
    for (const std::shared_ptr<RemovalSink>& sink : sinks) sink->removed(removed->entries);
    removed->entries.clear();
}

void Cache::listen(const std::shared_ptr<RemovalSink>& sink) {
    const std::lock_guard<std::mutex> lock(sinksMutex_);
    sinks_.erase(std::remove_if(sinks_.begin(), sinks_.end(), [](const auto& each) { return each.expired(); }),
                 sinks_.end());
    sinks_.push_back(sink);
    hasSinks_ = true;
}

bool Cache::remove(const Key& key) {
    Removed removed;
    bool isThere = false;
    {
        Stripe& stripe = index_.stripeOf(key.hash);
        const std::lock_guard<std::mutex> lock(stripe.mutex);
        Value value;
        const uint32_t index = findLive(stripe, key, {true, true}, &value, &removed);
        if (index != kNone) {
            take(stripe, index, std::nullopt, &removed);
            stripe.counts.deletes++;
            isThere = true;
        }
    }
    finish(&removed);
    return isThere;
}

void Cache::clear() {
    // The entries stay where they are, of an era that has ended. So nobody finds them, and the alarm frees them.
    for (bool isEmpty = false; !isEmpty;) {
        Removed removed;
        {
            const std::lock_guard<std::mutex> lock(policy_);
            if (queues_.cleared() == kNone) clears_ = 0;
            // An era must not begin while entries of the last one with its number are left.
            if (clears_ < kEras - 1) {
                clears_++;
                era_.store((era_.load(std::memory_order_relaxed) + 1) % kEras, std::memory_order_relaxed);
                queues_.clear();
                count_ = 0;
                bytes_ = 0;
                break;
            }
            // Then what has been stored since the last call goes one by one. That is no more work than storing it was.
            while (!removed.isFull() && tryTake(queues_.oldest(), nullptr, std::nullopt, &removed)) {
            }
            isEmpty = count_ == 0;
        }
        const bool isIdle = removed.taken == 0;
        finish(&removed);
        if (isIdle && !isEmpty) sched_yield();
    }
    wake(0);
}

void Cache::wake(uint64_t inMs) {
    if (options_.hasAlarm) alarm_->wake(static_cast<uint32_t>(std::min(inMs, kLongestSleepMs)));
}

bool Cache::tryTake(uint32_t index, Stripe* held, std::optional<Removal> why, Removed* removed) {
    if (index == kNone) return false;
    const uint32_t hash = entries_[index].hash;
    Stripe& stripe = index_.stripeOf(hash);
    if (&stripe != held && !stripe.mutex.try_lock()) return false;
    if (why == Removal::kEvicted) index_.remember(stripe, hash, queues_.ghostOf(entries_[index]));
    takeLocked(stripe, index, why, removed);
    if (&stripe != held) stripe.mutex.unlock();
    return true;
}

bool Cache::reapOne(Stripe* held, Removed* removed) {
    return tryTake(queues_.cleared(), held, std::nullopt, removed);
}

bool Cache::evictOne(Stripe* held, uint32_t except, Removed* removed) {
    for (int busy = 0; busy < kBusyVictims; busy++) {
        const uint32_t index = queues_.victim(except);
        if (index == kNone) return false;
        if (tryTake(index, held, Removal::kEvicted, removed)) return true;
        queues_.postpone(index);
    }
    return false;
}

bool Cache::evictSome(uint64_t bytes) {
    uint64_t freed = 0;
    bool isEmpty = false;
    while (freed < bytes && !isEmpty) {
        Removed removed;
        {
            const std::lock_guard<std::mutex> lock(policy_);
            while (freed < bytes && !removed.isFull()) {
                const size_t before = removed.count;
                if (!reapOne(nullptr, &removed) && !evictOne(nullptr, kNone, &removed)) {
                    isEmpty = count_ == 0 && queues_.cleared() == kNone;
                    break;
                }
                // A pinned entry frees nothing now.
                if (removed.count > before) freed += Entry::bytesOfCode(removed.blocks[before].code, unitShift_);
            }
        }
        const bool isIdle = removed.taken == 0;
        finish(&removed);
        if (isIdle && !isEmpty) sched_yield();
    }
    return freed > 0;
}

// ---- Storing --------------------------------------------------------------------------------------------------------

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
    Draft draft;
    const int error = begin(key, length, &draft);
    if (error != 0) return error;
    if (length > 0) std::memcpy(blocks_.base() + draft.offset + valueAt(key.length), value, length);
    draft.length = length;
    return publish(key, &draft, encoding, lifetime);
}

int Cache::begin(const Key& key, uint64_t expected, Draft* draft) {
    if (expected > kMostValueBytes) return -EFBIG;
    const uint32_t code = blocks_.codeFor(valueAt(key.length) + expected);
    const uint64_t bytes = Entry::bytesOfCode(code, unitShift_);
    if (code == 0 || bytes > options_.maxBytes) return -EFBIG;
    const int error = allocate(code, &draft->offset);
    if (error != 0) return error;
    draft->code = code;
    draft->keyLength = key.length;
    draft->length = 0;
    draft->capacity = bytes - valueAt(key.length);
    if (key.length > 0) std::memcpy(blocks_.base() + draft->offset + sizeof(Header), key.data, key.length);
    return 0;
}

int Cache::append(Draft* draft, const void* bytes, size_t length) {
    const uint64_t start = valueAt(draft->keyLength);
    if (draft->length + length > draft->capacity) {
        // Doubling keeps the copies few. The last doubling may be too much for the cache.
        const uint64_t needed = start + draft->length + length;
        if (needed - start > kMostValueBytes) return -EFBIG;
        uint32_t code = blocks_.codeFor(std::max(needed, std::min(2 * (start + draft->capacity), options_.maxBytes)));
        if (Entry::bytesOfCode(code, unitShift_) > options_.maxBytes) code = blocks_.codeFor(needed);
        const uint64_t more = Entry::bytesOfCode(code, unitShift_);
        if (code == 0 || more > options_.maxBytes) return -EFBIG;
        uint64_t offset;
        const int error = allocate(code, &offset);
        if (error != 0) return error;
        std::memcpy(blocks_.base() + offset, blocks_.base() + draft->offset, start + draft->length);
        blocks_.free(draft->code, draft->offset);
        draft->code = code;
        draft->offset = offset;
        draft->capacity = more - start;
    }
    if (length > 0) std::memcpy(blocks_.base() + draft->offset + start + draft->length, bytes, length);
    draft->length += length;
    return 0;
}

void Cache::abandon(Draft* draft) {
    if (draft->code != 0) blocks_.free(draft->code, draft->offset);
    draft->code = 0;
}

int Cache::publish(const Key& key, Draft* draft, uint8_t encoding, Lifetime lifetime) {
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
        remove(key);
        return 0;
    }
    Stripe& stripe = index_.stripeOf(key.hash);
    for (;;) {
        Removed removed;
        bool isDone = false;
        bool isFull = false;
        uint64_t due = kNever;
        {
            const std::lock_guard<std::mutex> lock(stripe.mutex);
            const std::lock_guard<std::mutex> policyLock(policy_);
            const uint32_t old = find(stripe, key);
            const uint64_t oldBytes = old == kNone ? 0 : bytesOf(entries_[old]);
            const auto isOver = [&] {
                return bytes_ - oldBytes + bytes > options_.maxBytes ||
                       count_ + (old == kNone ? 1 : 0) > options_.maxEntries;
            };
            while (isOver() && !removed.isFull() && evictOne(&stripe, old, &removed)) {
            }
            const uint32_t index = isOver() ? kNone : entries_.take();
            if (index == kNone && !isOver()) {
                // What has been cleared, or is evicted, gives its entry back, unless it is pinned.
                const bool hasTaken = reapOne(&stripe, &removed) || evictOne(&stripe, kNone, &removed);
                isFull = !hasTaken && count_ == 0 && queues_.cleared() == kNone;
            }
            if (index != kNone) {
                Entry& entry = entries_[index];
                entry.hash = key.hash;
                entry.code = draft->code;
                entry.setPlace(draft->offset / kSizeQuantum);
                entry.pins = 0;
                entry.state.store(static_cast<uint8_t>(era_.load(std::memory_order_relaxed) << kEraShift),
                                  std::memory_order_relaxed);
                bytes_ += bytes;
                count_++;
                if (old == kNone) {
                    queues_.add(index, index_.recall(stripe, key.hash));
                } else {
                    // The old entry leaves its place in the queue to the new one.
                    queues_.replace(old, index);
                    takeLocked(stripe, old, std::nullopt, &removed);
                }
                index_.add(stripe, index);
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
            return -ENOMEM;
        }
        if (isIdle) sched_yield();
    }
}

// ---- Looking around -------------------------------------------------------------------------------------------------

uint64_t Cache::list(uint64_t* cursor, unsigned char* to, uint64_t room, uint64_t* wanted) {
    const uint64_t now = nowMs();
    uint64_t written = 0;
    *wanted = 0;
    for (int buckets = 0; buckets < kListBuckets && *cursor != kListEnd; buckets++) {
        const auto number = static_cast<uint32_t>(*cursor / Index::kEnd);
        Stripe& stripe = index_.stripe(number);
        const std::lock_guard<std::mutex> lock(stripe.mutex);
        uint32_t first;
        const uint64_t next = index_.bucketAt(stripe, *cursor % Index::kEnd, &first);
        const auto each = [&](auto visit) {
            for (uint32_t index = first; index != kNone; index = entries_[index].next) {
                const Entry& entry = entries_[index];
                const Header* const header = isCurrent(entry) ? wholeHeader(entry) : nullptr;
                if (header != nullptr && now < header->freshUntil) visit(*header);
            }
        };
        uint64_t needed = 0;
        each([&](const Header& header) { needed += 5 + uint64_t{header.keyLength}; });
        if (written + needed > room) {
            if (written == 0) *wanted = needed;
            return written;
        }
        each([&](const Header& header) {
            // Read once, because the header's page may be lost just now. Then it is not listed.
            const uint32_t length = header.keyLength;
            if (written + 5 + length > room) return;
            to[written] = static_cast<unsigned char>(header.sort);
            std::memcpy(to + written + 1, &length, 4);
            std::memcpy(to + written + 5, &header + 1, length);
            const auto offset = static_cast<uint64_t>(reinterpret_cast<const char*>(&header) - blocks_.base());
            if (!blocks_.isLost(offset, sizeof(Header) + length)) written += 5 + uint64_t{length};
        });
        if (next < Index::kEnd)
            *cursor = number * Index::kEnd + next;
        else
            *cursor = number + 1 == index_.stripes() ? kListEnd : (number + 1) * Index::kEnd;
    }
    return written;
}

uint64_t Cache::size() {
    const std::lock_guard<std::mutex> lock(policy_);
    return count_;
}

CacheStats Cache::stats() {
    CacheStats stats{};
    for (uint32_t number = 0; number < index_.stripes(); number++) {
        Stripe& stripe = index_.stripe(number);
        const std::lock_guard<std::mutex> lock(stripe.mutex);
        stats.hits += stripe.counts.hits;
        stats.misses += stripe.counts.misses;
        stats.sets += stripe.counts.sets;
        stats.deletes += stripe.counts.deletes;
        stats.indexBytes += Index::bytesOf(stripe);
    }
    const std::lock_guard<std::mutex> lock(policy_);
    stats.entries = count_;
    stats.bytes = bytes_;
    stats.pinned = removedPinned_;
    stats.indexBytes += entries_.bytes();
    std::copy(std::begin(removals_), std::end(removals_), stats.removals);
    return stats;
}

std::optional<uint32_t> Cache::tick() {
    if (isServiceWanted_.exchange(false)) blocks_.serve();
    const uint64_t start = nowMs();
    for (;;) {
        Removed removed;
        bool isMore = false;
        std::optional<uint64_t> next;
        const uint64_t now = nowMs();
        {
            const std::lock_guard<std::mutex> lock(policy_);
            int looks = kTimerBatch;
            while (!removed.isFull()) {
                const uint32_t index = wheel_.takeDue(now / kTickMs, &looks);
                if (index == kNone) break;
                const Entry& entry = entries_[index];
                Stripe& stripe = index_.stripeOf(entry.hash);
                if (!stripe.mutex.try_lock()) {
                    wheel_.add(index, now / kTickMs + 1, now / kTickMs);
                    continue;
                }
                const Header* const header = wholeHeader(entry);
                const Removal why = header == nullptr ? Removal::kLost : Removal::kExpired;
                if (header != nullptr && header->until > now)
                    wheel_.add(index, header->until / kTickMs + 1, now / kTickMs);
                else
                    takeLocked(stripe, index, why, &removed);
                stripe.mutex.unlock();
            }
            while (!removed.isFull() && reapOne(nullptr, &removed)) {
            }
            isMore = removed.isFull() || looks < 0 || queues_.cleared() != kNone;
            next = wheel_.next();
        }
        const bool isIdle = removed.taken == 0;
        finish(&removed);
        if (!isMore) {
            if (!next) return std::nullopt;
            const uint64_t due = *next * kTickMs;
            return static_cast<uint32_t>(due > now ? std::min(due - now, kLongestSleepMs) : 1);
        }
        if (nowMs() - start >= kTickWorkMs) return 0;
        // Whoever has the lock of the stripe may wait for that of the policy.
        if (isIdle) sched_yield();
    }
}

}  // namespace daxkind::cache
