// How a cache removes entries: one that is asked for, what has to go for the room, what has expired or been cleared.
#include <sched.h>

#include <algorithm>
#include <mutex>
#include <string>
#include <utility>

#include "cache/alarm.h"
#include "cache/cache.h"
#include "cache/inside.h"

namespace daxkind::cache {

namespace {

// How many entries whose stripes are locked are passed over before the caller lets go of its own locks.
constexpr int kBusyEntries = 16;
// How many entries of the timer wheel are looked at without letting go of the locks.
constexpr int kTimerBatch = 256;
// How long a tick works.
constexpr uint64_t kTickWorkMs = 8;
// A task of the background that waits outlives its cache.
constexpr uint64_t kLongestSleepMs = 60'000;

}  // namespace

void Cache::take(Stripe& stripe, uint32_t index, std::optional<Removal> why, Removed* removed) {
    const std::lock_guard<Mutex> lock(policy_);
    takeLocked(stripe, index, why, removed);
}

void Cache::takeLost(Stripe& stripe, uint32_t first, Removed* removed) {
    for (uint32_t index = first; index != kNone && !removed->isFull();) {
        const uint32_t next = entries_[index].next;
        if (isCurrent(entries_[index]) && wholeHeader(entries_[index]) == nullptr)
            take(stripe, index, Removal::kLost, removed);
        index = next;
    }
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
        notePinned(entry, false);
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
        if (sinks.empty()) hasSinks_ = false;
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

bool Cache::removeOne(const Key& key, bool isCounted) {
    Removed removed;
    bool isThere = false;
    {
        Stripe& stripe = index_.stripeOf(key.hash);
        const std::lock_guard<Mutex> lock(stripe.mutex);
        Value value;
        const uint32_t index = findLive(stripe, key, {true, true}, &value, &removed);
        if (index != kNone) {
            take(stripe, index, std::nullopt, &removed);
            if (isCounted) stripe.counts.deletes++;
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
            const std::lock_guard<Mutex> lock(policy_);
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
            // Then this ends with the first of two: what has been stored since the last call goes one by one, which is
            // no more work than storing it was; or what is left of earlier calls does, which others do not make more.
            while (removed.taken < kBatch / 2 && clearOne(&removed)) {
            }
            while (!removed.isFull() && reapOne(nullptr, &removed)) {
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
    const uint32_t hash = entries_[index].hash;
    Stripe& stripe = index_.stripeOf(hash);
    if (&stripe != held && !stripe.mutex.tryLock()) return false;
    if (why == Removal::kEvicted) index_.remember(stripe, hash, queues_.ghostOf(entries_[index]));
    takeLocked(stripe, index, why, removed);
    if (&stripe != held) stripe.mutex.unlock();
    return true;
}

template <typename Next>
bool Cache::tryTakeNext(Next next, Stripe* held, std::optional<Removal> why, Removed* removed) {
    for (int busy = 0; busy < kBusyEntries; busy++) {
        const uint32_t index = next();
        if (index == kNone) return false;
        if (tryTake(index, held, why, removed)) return true;
        queues_.postpone(index, !isCurrent(entries_[index]));
    }
    return false;
}

bool Cache::clearOne(Removed* removed) {
    return tryTakeNext([&] { return queues_.oldest(); }, nullptr, std::nullopt, removed);
}

bool Cache::reapOne(Stripe* held, Removed* removed) {
    return tryTakeNext([&] { return queues_.cleared(); }, held, std::nullopt, removed);
}

bool Cache::evictOne(Stripe* held, uint32_t except, Removed* removed) {
    return tryTakeNext([&] { return queues_.victim(except); }, held, Removal::kEvicted, removed);
}

bool Cache::evictSome(uint64_t bytes) {
    uint64_t freed = 0;
    bool isEmpty = false;
    while (freed < bytes && !isEmpty) {
        Removed removed;
        {
            const std::lock_guard<Mutex> lock(policy_);
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

std::optional<uint32_t> Cache::tick() {
    if (isServiceWanted_.exchange(false)) blocks_.serve();
    const uint64_t start = nowMs();
    for (;;) {
        Removed removed;
        bool isMore = false;
        std::optional<uint64_t> next;
        const uint64_t now = nowMs();
        {
            const std::lock_guard<Mutex> lock(policy_);
            int looks = kTimerBatch;
            while (!removed.isFull()) {
                const uint32_t index = wheel_.takeDue(now / kTickMs, &looks);
                if (index == kNone) break;
                const Entry& entry = entries_[index];
                Stripe& stripe = index_.stripeOf(entry.hash);
                if (!stripe.mutex.tryLock()) {
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
