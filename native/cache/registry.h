// The caches of this process. A thread that has a cache's number and secret can join it while somebody holds it.
//
// All calls may be made from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace daxkind::cache {

class Cache;

// Gives the cache its number and its secret. 0 or -errno.
int registerCache(const std::shared_ptr<Cache>& cache);
// Null if no cache has the number any more, or if the secret is wrong.
std::shared_ptr<Cache> findCache(uint32_t number, const std::string& secret);

}  // namespace daxkind::cache
