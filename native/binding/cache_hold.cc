#include "binding/cache_hold.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "kind/kind.h"

namespace daxkind {

namespace {

// How many removed entries a thread is told of at once, at most. A thread that is busy for long misses the oldest.
constexpr size_t kMostRemovals = 65536;
// How long their keys are together, at most: one key may have 1 MiB.
constexpr uint64_t kMostRemovalBytes = 16 << 20;

}  // namespace

void RemovalQueue::removed(const std::vector<cache::RemovedEntry>& entries) {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        entries_.insert(entries_.end(), entries.begin(), entries.end());
        for (const cache::RemovedEntry& entry : entries) bytes_ += entry.key.size();
        while (entries_.size() > kMostRemovals || bytes_ > kMostRemovalBytes) {
            bytes_ -= entries_.front().key.size();
            entries_.pop_front();
        }
    }
    loopCall_->wake();
}

std::vector<cache::RemovedEntry> RemovalQueue::take(size_t most) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto end = entries_.begin() + static_cast<std::ptrdiff_t>(std::min(most, entries_.size()));
    std::vector<cache::RemovedEntry> taken(std::make_move_iterator(entries_.begin()), std::make_move_iterator(end));
    entries_.erase(entries_.begin(), end);
    for (const cache::RemovedEntry& entry : taken) bytes_ -= entry.key.size();
    return taken;
}

CacheHold::~CacheHold() {
    for (const uint32_t entry : leases_) {
        if (entry != cache::kNone) cache_->unpin(entry);
    }
    for (auto& [number, open] : drafts_) cache_->abandon(&open.draft);
}

uint32_t CacheHold::lease(uint32_t entry) {
    if (unusedLeases_.empty()) {
        leases_.push_back(entry);
        return static_cast<uint32_t>(leases_.size() - 1);
    }
    const uint32_t lease = unusedLeases_.back();
    unusedLeases_.pop_back();
    leases_[lease] = entry;
    return lease;
}

bool CacheHold::endLease(uint32_t lease) {
    const uint32_t entry = leased(lease);
    if (entry == cache::kNone) return false;
    leases_[lease] = cache::kNone;
    unusedLeases_.push_back(lease);
    cache_->unpin(entry);
    return true;
}

cache::Key CacheHold::OpenDraft::keyFor(const cache::Cache& cache) const {
    cache::Key made{reinterpret_cast<const unsigned char*>(key.data()), static_cast<uint32_t>(key.size()), sort, 0};
    cache.hash(&made);
    return made;
}

uint32_t CacheHold::keep(OpenDraft draft) {
    // Numbers come again after four billion drafts.
    do lastDraft_++;
    while (drafts_.count(lastDraft_) > 0);
    drafts_[lastDraft_] = std::move(draft);
    return lastDraft_;
}

CacheHold::OpenDraft* CacheHold::draft(uint32_t number) {
    const auto at = drafts_.find(number);
    return at == drafts_.end() ? nullptr : &at->second;
}

CacheTable* CacheTable::create(napi_env env, HoldTable* kinds) {
    auto* const table = new CacheTable(kinds);
    napi_add_env_cleanup_hook(env, [](void* data) { delete static_cast<CacheTable*>(data); }, table);
    return table;
}

CacheTable::~CacheTable() {
    const Kind::AtOnce atOnce;
    holds_.all().clear();
    if (loopCall_ != nullptr) loopCall_->stop();
}

int64_t CacheTable::add(std::shared_ptr<cache::Cache> cache) {
    return holds_.add(std::make_unique<CacheHold>(std::move(cache)));
}

void CacheTable::close(int64_t id) {
    const Kind::AtOnce atOnce;
    holds_.take(id);
}

void CacheTable::listen(napi_env env, CacheHold* hold) {
    if (loopCall_ == nullptr) {
        // The handler throws nothing.
        loopCall_ = LoopCall::create(env, [this](napi_env) {
            if (!handler_.IsEmpty()) handler_.Call({});
        });
    }
    if (loopCall_ == nullptr) return;
    hold->removals = std::make_shared<RemovalQueue>(loopCall_);
    hold->cache().listen(hold->removals);
}

}  // namespace daxkind
