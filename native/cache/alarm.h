// Calls a cache when something is due, on the threads of jobs/background.h.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

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

    // Under the lock: `soonest_` says what `waiting_` does.
    void noteSoonest();

    std::mutex mutex_;
    std::weak_ptr<Cache> cache_;
    // When the tasks that wait are due, the soonest last. There is a new one only for what is due before all of them,
    // so they do not become more each time that something is due soon and something else is far off.
    std::vector<Clock::time_point> waiting_;
    // The last of `waiting_`, for wake() without the lock. A call that sees the time of a task that begins just now
    // needs no other task: this one takes its time off before it looks for what the caller has stored before.
    std::atomic<Clock::time_point> soonest_{Clock::time_point::max()};
};

}  // namespace daxkind::cache
