#include "cache/cache.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <mutex>
#include <new>
#include <utility>

#include "cache/alarm.h"
#include "cache/inside.h"
#include "jobs/background.h"

namespace daxkind::cache {

namespace {

// Room for entries that are pinned and removed, in a cache of few entries.
constexpr uint64_t kPinnedEntries = 65536;
constexpr uint64_t kMostEntriesEver = 1ull << 31;
// How many buckets list() looks at in one call.
constexpr int kListBuckets = 1024;

uint32_t stripesFor(const CacheOptions& options, uint64_t most) {
    if (options.stripes != 0) return options.stripes;
    // A stripe for each 64 entries: with fewer, what a small cache remembers of evicted keys would be older than the
    // cache is long.
    uint32_t stripes = 1;
    while (stripes < Index::kMostStripes && uint64_t{stripes} * 128 <= most) stripes *= 2;
    return stripes;
}

}  // namespace

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

// ---- Looking around -------------------------------------------------------------------------------------------------

uint64_t Cache::list(uint64_t* cursor, unsigned char* to, uint64_t room, uint64_t* wanted) {
    const uint64_t now = nowMs();
    uint64_t written = 0;
    *wanted = 0;
    Removed lost;
    if (*cursor / Index::kEnd >= index_.stripes()) *cursor = kListEnd;
    for (int buckets = 0; buckets < kListBuckets && *cursor != kListEnd; buckets++) {
        const auto number = static_cast<uint32_t>(*cursor / Index::kEnd);
        Stripe& stripe = index_.stripe(number);
        const std::lock_guard<Mutex> lock(stripe.mutex);
        uint32_t first;
        index_.bucketAt(stripe, *cursor % Index::kEnd, &first);
        takeLost(stripe, first, &lost);
        // Then the next call begins with this bucket.
        if (lost.isFull()) break;
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
            break;
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
    finish(&lost);
    return written;
}

uint64_t Cache::size() {
    const std::lock_guard<Mutex> lock(policy_);
    return count_;
}

CacheStats Cache::stats() {
    CacheStats stats{};
    for (uint32_t number = 0; number < index_.stripes(); number++) {
        Stripe& stripe = index_.stripe(number);
        const std::lock_guard<Mutex> lock(stripe.mutex);
        stats.hits += stripe.counts.hits;
        stats.misses += stripe.counts.misses;
        stats.sets += stripe.counts.sets;
        stats.deletes += stripe.counts.deletes;
        stats.indexBytes += Index::bytesOf(stripe);
    }
    const std::lock_guard<Mutex> lock(policy_);
    stats.entries = count_;
    stats.bytes = bytes_;
    stats.pinned = removedPinned_;
    stats.indexBytes += entries_.bytes();
    std::copy(std::begin(removals_), std::end(removals_), stats.removals);
    return stats;
}

}  // namespace daxkind::cache
