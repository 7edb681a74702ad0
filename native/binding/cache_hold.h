// The holds that one environment (one thread) has on caches.
#pragma once

#include <napi.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "binding/loop_call.h"
#include "binding/numbered.h"
#include "cache/cache.h"

namespace daxkind {

class HoldTable;

// The removed entries that a thread has yet to be told of.
class RemovalQueue final : public cache::RemovalSink {
  public:
    explicit RemovalQueue(std::shared_ptr<LoopCall> loopCall) : loopCall_(std::move(loopCall)) {}
    void removed(const std::vector<cache::RemovedEntry>& entries) override;
    // Takes out up to `most`.
    std::vector<cache::RemovedEntry> take(size_t most);

  private:
    const std::shared_ptr<LoopCall> loopCall_;
    std::mutex mutex_;
    std::deque<cache::RemovedEntry> entries_;
    uint64_t bytes_ = 0;  // Of their keys.
};

// What one thread has of a cache. All of it ends with the thread, however that ends.
class CacheHold {
  public:
    explicit CacheHold(std::shared_ptr<cache::Cache> held) : cache_(std::move(held)) {}
    CacheHold(const CacheHold&) = delete;
    CacheHold& operator=(const CacheHold&) = delete;
    ~CacheHold();

    cache::Cache& cache() const { return *cache_; }

    // Keeps a pinned entry. Gives the number of the lease.
    uint32_t lease(uint32_t entry);
    // The entry of a lease. kNone if there is no such lease.
    uint32_t leased(uint32_t lease) const { return lease < leases_.size() ? leases_[lease] : cache::kNone; }
    bool endLease(uint32_t lease);

    struct OpenDraft {
        cache::Draft draft;
        std::string key;
        cache::KeySort sort;
        cache::Key keyFor(const cache::Cache& cache) const;
    };
    uint32_t keep(OpenDraft draft);
    // Null if there is none of that number.
    OpenDraft* draft(uint32_t number);
    void forget(uint32_t number) { drafts_.erase(number); }

    std::shared_ptr<RemovalQueue> removals;

  private:
    const std::shared_ptr<cache::Cache> cache_;
    // By the number of the lease. kNone: unused.
    std::vector<uint32_t> leases_;
    std::vector<uint32_t> unusedLeases_;
    std::unordered_map<uint32_t, OpenDraft> drafts_;
    uint32_t lastDraft_ = 0;
};

// The holds of one environment, by numbers.
class CacheTable {
  public:
    // Makes the table of this environment. The environment's end destroys it.
    static CacheTable* create(napi_env env, HoldTable* kinds);
    CacheTable(const CacheTable&) = delete;
    CacheTable& operator=(const CacheTable&) = delete;

    HoldTable& kinds() const { return *kinds_; }
    // Null if there is no hold of that number, or no longer.
    CacheHold* find(int64_t id) { return holds_.find(id); }
    int64_t add(std::shared_ptr<cache::Cache> cache);
    void close(int64_t id);
    // Tells this thread what the cache of the hold removes, unless the environment cannot be told any more.
    void listen(napi_env env, CacheHold* hold);
    // Called in turns of the event loop in which there are removed entries to take out.
    void setHandler(Napi::Function handler) { handler_ = Napi::Persistent(handler); }

    // Where calls put what they found beside their result: a Float64Array of JavaScript's.
    static constexpr size_t kResults = 8;
    std::shared_ptr<double[]> results;
    // Memory for the key of a call.
    std::vector<char16_t> units;
    std::vector<unsigned char> narrow;

  private:
    explicit CacheTable(HoldTable* kinds) : results(new double[kResults]()), kinds_(kinds) {}
    ~CacheTable();

    HoldTable* const kinds_;
    Numbered<CacheHold> holds_;
    std::shared_ptr<LoopCall> loopCall_;
    Napi::FunctionReference handler_;
};

}  // namespace daxkind
