#include "cache/registry.h"

#include <mutex>
#include <unordered_map>

#include "cache/cache.h"
#include "kind/secret.h"

namespace daxkind::cache {

namespace {

struct Registry {
    std::mutex mutex;
    std::unordered_map<uint32_t, std::weak_ptr<Cache>> caches;
    uint32_t last = 0;
};

// Never destroyed: threads may still run while the process ends.
Registry& registry() {
    static Registry* const only = new Registry();
    return *only;
}

}  // namespace

int registerCache(const std::shared_ptr<Cache>& cache) {
    const int error = makeSecret(&cache->secret);
    if (error != 0) return error;
    Registry& all = registry();
    const std::lock_guard<std::mutex> lock(all.mutex);
    for (auto at = all.caches.begin(); at != all.caches.end();) {
        at = at->second.expired() ? all.caches.erase(at) : std::next(at);
    }
    cache->number = ++all.last;
    all.caches[cache->number] = cache;
    return 0;
}

std::shared_ptr<Cache> findCache(uint32_t number, const std::string& secret) {
    Registry& all = registry();
    // Let go of after the lock: it may be the last that holds the cache.
    std::shared_ptr<Cache> cache;
    const std::lock_guard<std::mutex> lock(all.mutex);
    const auto at = all.caches.find(number);
    if (at != all.caches.end()) cache = at->second.lock();
    return cache != nullptr && cache->secret == secret ? cache : nullptr;
}

}  // namespace daxkind::cache
