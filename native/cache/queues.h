// Which entry is evicted: the queues of the eviction policy. Whoever holds the cache's policy lock may call.
//
// LRU has one queue in the order of use. S3-FIFO (Yang, Zhang, Qiu, Yue, Rashmi: FIFO queues are all you need for cache
// eviction, SOSP 2023) has two, in the order of arrival. A new entry comes into the small one. If it was used by the
// time it is the oldest there, it moves to the main queue, else it goes and is remembered in the index as a ghost. An
// entry that comes back while it is a ghost begins in the main queue. In the main queue an entry goes around once for
// each use since it was looked at last, three at most. So a hit changes no queue, and costs no lock of the policy.
//
// The small queue's share of the bytes adapts, from a tenth on: it grows when an entry comes back that the small queue
// gave away, and shrinks when one comes back that the main queue gave away. docs/decisions/cache.md has the figures.
#pragma once

#include <cstdint>

#include "cache/entries.h"

namespace daxkind::cache {

enum class Policy : uint8_t { kS3Fifo, kLru };

// What the index remembers of an evicted entry.
enum class Ghost : uint8_t { kNone, kSmall, kMain };

class Queues {
  public:
    // `unitShift` is that of the heap.
    void open(Entries* entries, Policy policy, uint32_t unitShift) {
        entries_ = entries;
        policy_ = policy;
        unitShift_ = unitShift;
    }
    Policy policy() const { return policy_; }

    // A new entry, and what is remembered of its key.
    void add(uint32_t index, Ghost ghost);
    // The entry takes the place of another of the same key, which leaves its queue. That counts as a use.
    void replace(uint32_t old, uint32_t index);
    void remove(uint32_t index);
    // Takes an entry out of the list of kClearedHead.
    void removeCleared(uint32_t index) { unlink(index); }
    // An entry of that list, or kNone.
    uint32_t cleared() const {
        const uint32_t oldest = (*entries_)[kClearedHead].newer;
        return oldest == kClearedHead ? kNone : oldest;
    }
    // An entry of the queues that nobody has used for long, or kNone.
    uint32_t oldest() const {
        for (const uint32_t head : {kSmallHead, kMainHead}) {
            const uint32_t oldest = (*entries_)[head].newer;
            if (oldest != head) return oldest;
        }
        return kNone;
    }
    // LRU only: the entry was used.
    void use(uint32_t index);
    // All entries leave the queues, and are in the list of kClearedHead from now on.
    void clear();

    // The entry that should go next. It stays where it is. kNone if there is none. `except` is not chosen. The work is
    // bounded: after kMostLooks entries the next one is chosen, however often it was used.
    uint32_t victim(uint32_t except);
    // That entry cannot be had now. It is not chosen again before others of its list: that of cleared ones, or a queue.
    void postpone(uint32_t index, bool isCleared);
    // What is to be remembered of an entry that is evicted.
    Ghost ghostOf(const Entry& entry) const {
        if (policy_ == Policy::kLru) return Ghost::kNone;
        return entry.has(kIsInMain) ? Ghost::kMain : Ghost::kSmall;
    }

  private:
    static constexpr double kLeastSmallShare = 0.1;
    static constexpr double kMostSmallShare = 0.9;

    uint64_t bytesOf(uint32_t index) const { return (*entries_)[index].bytes(unitShift_); }
    uint64_t& bytesOfQueue(uint32_t index) { return (*entries_)[index].has(kIsInMain) ? mainBytes_ : smallBytes_; }
    void link(uint32_t head, uint32_t index);
    void unlink(uint32_t index);
    bool isEmpty(uint32_t head) const { return (*entries_)[head].older == head; }

    Entries* entries_ = nullptr;
    Policy policy_ = Policy::kS3Fifo;
    uint32_t unitShift_ = 0;
    uint64_t smallBytes_ = 0;
    uint64_t mainBytes_ = 0;
    double smallShare_ = kLeastSmallShare;
};

}  // namespace daxkind::cache
