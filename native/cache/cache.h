// A cache: entries of a key and a value in blocks of a kind, found by an index in DRAM, that all threads of the process
// share. When there are more entries, or more bytes, than the cache may hold, the policy says which ones go.
//
// An entry's block begins with a header (32 bytes) and the key. The value follows, aligned to 16 bytes. A block is
// written before anybody can find it, and never changes afterwards: another value for the key is another entry.
//
// A pinned entry keeps its block, whatever becomes of the entry. get() copies short values under the stripe's lock, and
// pins the entry of a long one instead.
//
// Locks are taken in this order: a stripe of the index, the policy, the blocks, the heap. Who has the policy's lock may
// only try to take that of a stripe. Nothing is copied, and no block is allocated or freed, under the policy's lock.
//
// Any thread may call, unless the call says otherwise.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "cache/blocks.h"
#include "cache/entries.h"
#include "cache/index.h"
#include "cache/key.h"
#include "cache/mutex.h"
#include "cache/queues.h"
#include "cache/wheel.h"

namespace daxkind::cache {

class Alarm;

// Keys are at most this long, in bytes.
constexpr uint32_t kMostKeyBytes = 1 << 20;
// What may be shorter than a block: the length of a value has 32 bits, and a header and a key come before it.
constexpr uint64_t kMostValueBytes = UINT32_MAX - 2 * kMostKeyBytes;

struct CacheOptions {
    uint64_t maxBytes = 0;    // Of blocks.
    uint64_t maxEntries = 0;  // At least one.
    Policy policy = Policy::kS3Fifo;
    // How many stripes the index has, a power of two. 0: as many as suit `maxEntries`.
    uint32_t stripes = 0;
    // How many bits of a hash are used. Tests make keys meet by it.
    int hashBits = 32;
    // Whether another thread calls tick() when something is due. A test that does it itself knows what happens when.
    bool hasAlarm = true;
};

// Why the cache itself removed an entry.
enum class Removal : uint8_t {
    kEvicted,  // For the room.
    kExpired,
    kLost,  // A page of its block was lost.
};
constexpr int kRemovals = 3;

// An entry that the cache itself has removed.
struct RemovedEntry {
    Removal why;
    KeySort sort;
    std::string key;
    uint64_t bytes;
};

// One who is told of the entries that the cache removes.
class RemovalSink {
  public:
    virtual ~RemovalSink() = default;
    // Called by any thread, under no lock of the cache.
    virtual void removed(const std::vector<RemovedEntry>& entries) = 0;
};

// How long an entry lives. In milliseconds; infinite if it is 0.
struct Lifetime {
    uint64_t freshMs = 0;  // get() finds it.
    uint64_t staleMs = 0;  // After that get() finds it if it is asked for stale entries.
};

// What get() and pin() tell of an entry.
struct Value {
    uint32_t length = 0;
    uint8_t encoding = 0;
    bool isStale = false;
    // In milliseconds, from now. UINT64_MAX: for ever.
    uint64_t freshFor = 0;
    // The entry, if it has been pinned, and where its value is in the region.
    uint32_t entry = kNone;
    uint64_t offset = 0;
};

// How an entry is looked up.
struct Lookup {
    bool takesStale = false;
    // It counts as no use, and in no statistics.
    bool isPeek = false;
    // The value is about to be copied. get() sets it.
    bool isToBeCopied = false;
};

struct CacheStats {
    uint64_t entries;
    uint64_t bytes;       // Of their blocks.
    uint64_t pinned;      // Entries that have been removed and live on, because somebody has pinned them.
    uint64_t indexBytes;  // DRAM.
    uint64_t hits;
    uint64_t misses;
    uint64_t sets;
    uint64_t deletes;
    uint64_t removals[kRemovals];
};

// What an entry is written into before it can be found: a block, or DRAM if the value has become long.
struct Draft {
    struct Free {
        void operator()(char* memory) const { std::free(memory); }
    };
    std::unique_ptr<char, Free> apart;
    uint64_t offset = 0;
    uint32_t code = 0;
    uint32_t keyLength = 0;
    uint64_t length = 0;    // Of the value, so far.
    uint64_t capacity = 0;  // How long the value may be in this memory.
};

class Cache : public std::enable_shared_from_this<Cache> {
  public:
    // The number in this process, and what a thread must know to join. Set by registry.h.
    uint32_t number = 0;
    std::string secret;

    // Null with an error: -ENOMEM, -ENOENT if the kind has just ended, -EFBIG if it is larger than 16 TiB.
    static std::shared_ptr<Cache> make(const std::shared_ptr<Kind>& kind, const CacheOptions& options, int* error);
    Cache(const Cache&) = delete;
    Cache& operator=(const Cache&) = delete;
    ~Cache();

    const CacheOptions& options() const { return options_; }
    Kind& kind() const { return blocks_.kind(); }
    // Fills the hash of a key in.
    void hash(Key* key) const { key->hash = hashOf(seed_, *key) & hashMask_; }

    // Copies the value to `to` if it has at most `room` bytes. Otherwise the entry is pinned. 0, -ENOENT, or -EAGAIN
    // with the value's length if the entry has 65,535 pins.
    int get(const Key& key, Lookup lookup, char* to, size_t room, Value* value);
    // 0 with the entry pinned, -ENOENT or -EAGAIN.
    int pin(const Key& key, Lookup lookup, Value* value);
    void unpin(uint32_t entry);
    // Of a pinned entry. False if a page of it is lost.
    bool copy(uint32_t entry, char* to, size_t length) const;
    // How many milliseconds the entry stays fresh. UINT64_MAX: for ever. 0: it is stale, or there is none.
    uint64_t freshFor(const Key& key);
    bool has(const Key& key) { return freshFor(key) > 0; }
    // 0; -EFBIG if the cache may not hold that much; -ENOMEM, or the region's error, if there would be no memory with
    // nothing left to evict; -EAGAIN if pins have all entries; -EHWPOISON if all memory that it got was lost. After an
    // error the key has no entry.
    int set(const Key& key, const void* value, size_t length, uint8_t encoding, Lifetime lifetime);
    // Whether there was such an entry.
    bool remove(const Key& key) { return removeOne(key, true); }
    // The same for a key of which the caller could not store the value. It counts as no remove().
    void drop(const Key& key) { removeOne(key, false); }
    // Removes all entries. Another thread frees the blocks. So the call takes no longer with more of them, unless that
    // thread has not kept up with seven calls before: then it takes as long as it took to store what has come since, or
    // as long as it takes to free what is left of those calls, whichever is less.
    void clear();

    // A value whose length is not known from the start. begin() makes room for some bytes of it; append() for more, and
    // moves what has been written. All have the errors of set(), but leave the key's entry as it is.
    int begin(const Key& key, uint64_t expected, Draft* draft);
    int append(Draft* draft, const void* bytes, size_t length);
    // The draft is an entry from now on.
    int publish(const Key& key, Draft* draft, uint8_t encoding, Lifetime lifetime);
    void abandon(Draft* draft);

    // Writes the keys of some entries to `to`: for each its sort, its length (4 bytes) and its bytes. A key that is
    // there from the first call to the last is written exactly once. `*cursor` begins as 0, and is kListEnd at the
    // end. Gives the bytes that were written. If the next bucket needs more than `room`, `*wanted` is how much.
    uint64_t list(uint64_t* cursor, unsigned char* to, uint64_t room, uint64_t* wanted);
    static constexpr uint64_t kListEnd = UINT64_MAX;

    CacheStats stats();
    uint64_t size();
    void listen(const std::shared_ptr<RemovalSink>& sink);

    // Removes what has expired, and frees what has been cleared. Some milliseconds of work. Returns in how many
    // milliseconds to call again; no value if there is nothing to do. Alarm calls it.
    std::optional<uint32_t> tick();

  private:
    struct Header;
    struct Removed;
    // The end of the last who has the cache.
    static void end(Cache* cache);

    explicit Cache(const CacheOptions& options) : options_(options) {}
    int open(const std::shared_ptr<Kind>& kind);

    static uint64_t valueAt(uint32_t keyLength);
    uint64_t offsetOf(const Entry& entry) const { return entry.place() * kSizeQuantum; }
    uint64_t bytesOf(const Entry& entry) const { return entry.bytes(unitShift_); }
    // Whether a page of its block is lost.
    bool isLost(const Entry& entry) const { return blocks_.isLost(offsetOf(entry), bytesOf(entry)); }
    Header* headerOf(const Entry& entry) const;
    // Null if it makes no sense, because a page of it is lost.
    const Header* wholeHeader(const Entry& entry) const;
    bool isCurrent(const Entry& entry) const { return entry.era() == era_.load(std::memory_order_relaxed); }

    // What follows is called under the lock of the stripe.
    // The entry of the key, or one that is lost and has the same hash: nobody can tell what its key was. kNone if there
    // is none.
    uint32_t find(const Stripe& stripe, const Key& key, bool isToBeCopied) const;
    // As find(), but takes what is lost. kNone, too, if `removed` is full.
    uint32_t findWhole(Stripe& stripe, const Key& key, bool isToBeCopied, Removed* removed);
    // As findWhole(), but without what has expired.
    uint32_t findLive(Stripe& stripe, const Key& key, Lookup lookup, Value* value, Removed* removed);
    // Takes an entry out of everything, and the policy's lock for that. `why` is for what nobody has asked for.
    void take(Stripe& stripe, uint32_t index, std::optional<Removal> why, Removed* removed);
    // Takes what is lost of a bucket that begins with that entry, until `removed` is full.
    void takeLost(Stripe& stripe, uint32_t first, Removed* removed);
    // What the sinks are to be told of the entry.
    void describe(const Entry& entry, Removal why, Removed* removed) const;
    // The same as take(), under the policy's lock.
    void takeLocked(Stripe& stripe, uint32_t index, std::optional<Removal> why, Removed* removed);

    // An entry that is not removed has got its first pin, or lost its last one, or is removed with pins.
    void notePinned(const Entry& entry, bool isPinned);

    bool removeOne(const Key& key, bool isCounted);

    // Under the policy's lock. `held` is the stripe whose lock is held, if one is. Another stripe is locked if that
    // needs no waiting. False if it cannot be taken now.
    bool tryTake(uint32_t index, Stripe* held, std::optional<Removal> why, Removed* removed);
    // The same with the first of those that `next` gives. What cannot be taken now lets others go before.
    template <typename Next>
    bool tryTakeNext(Next next, Stripe* held, std::optional<Removal> why, Removed* removed);
    bool evictOne(Stripe* held, uint32_t except, Removed* removed);
    // Takes an entry that nobody has used for long, as clear() does.
    bool clearOne(Removed* removed);
    // Takes what has been cleared.
    bool reapOne(Stripe* held, Removed* removed);
    // Under no lock. Frees at least that many bytes; false if there was nothing to evict.
    bool evictSome(uint64_t bytes);
    int allocate(uint32_t code, uint64_t* offset);
    // The code of a block for a value of that length. 0 if the cache may not hold it.
    uint32_t codeFor(uint32_t keyLength, uint64_t length) const;
    char* valueOf(const Draft& draft) const;
    // Makes room for a value of at least that length.
    int grow(Draft* draft, uint64_t needed);
    // Whether a block may not fit even if all entries were evicted, because others have the kind's memory. Only looks
    // when evicting for it would cost a good part of the entries.
    bool isHopeless(uint64_t bytes);
    // As set(), but leaves the key's entry as it is after an error.
    int store(const Key& key, const void* value, size_t length, uint8_t encoding, Lifetime lifetime);
    // Makes a draft an entry, in place of `old` unless that is kNone. Under the locks of the stripe and the policy.
    void enter(Stripe& stripe, uint32_t index, uint32_t old, const Key& key, const Draft& draft, Removed* removed);
    // Frees blocks, tells the sinks. Under no lock.
    void finish(Removed* removed);
    // tick() is to be called in that many milliseconds.
    void wake(uint64_t inMs);

    const CacheOptions options_;
    HashSeed seed_;
    uint32_t hashMask_ = UINT32_MAX;
    uint32_t unitShift_ = 0;
    // The heap may call for service until the blocks have left it, so these two outlive them.
    std::shared_ptr<Alarm> alarm_;
    std::atomic<bool> isServiceWanted_{false};
    Blocks blocks_;
    Entries entries_;
    Index index_;
    Mutex policy_;
    // Under the policy's lock.
    Queues queues_;
    Wheel wheel_;
    uint64_t count_ = 0;
    uint64_t bytes_ = 0;
    uint64_t removedPinned_ = 0;
    // Of entries that are pinned and not removed, without short ones. Evicting them gives no memory.
    std::atomic<uint64_t> pinnedBytes_{0};
    uint64_t removals_[kRemovals] = {};
    // Of entries, since the cache was made. The first is raised under the policy's lock, when nobody has the block any
    // more; the second when it is free.
    std::atomic<uint64_t> blocksRemoved_{0};
    std::atomic<uint64_t> blocksFreed_{0};
    int clears_ = 0;  // Since nothing was left of earlier ones.
    std::atomic<uint8_t> era_{0};

    std::mutex sinksMutex_;
    std::vector<std::weak_ptr<RemovalSink>> sinks_;
    std::atomic<bool> hasSinks_{false};
};

}  // namespace daxkind::cache
