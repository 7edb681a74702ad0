// Calls a cache when something is due, on the threads of jobs/background.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>

namespace daxkind::cache {

class Cache;

class Alarm : public std::enable_shared_from_this<Alarm> {
  public:
    explicit Alarm(std::weak_ptr<Cache> cache) : cache_(std::move(cache)) {}

    // Cache::tick() is called in that many milliseconds, or before. May be called under any lock of a cache or a heap.
    void wake(uint32_t inMs);

  private:
    friend class AlarmTask;
    using Clock = std::chrono::steady_clock;

    std::mutex mutex_;
    std::weak_ptr<Cache> cache_;
    // When the next call is due. Only the task of the newest generation makes it.
    Clock::time_point due_ = Clock::time_point::max();
    uint64_t generation_ = 0;
};

}  // namespace daxkind::cache
