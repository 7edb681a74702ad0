#include "cache/alarm.h"

#include <optional>
#include <utility>

#include "cache/cache.h"
#include "jobs/background.h"

namespace daxkind::cache {

using std::chrono::milliseconds;

class AlarmTask final : public Task {
  public:
    AlarmTask(std::shared_ptr<Alarm> alarm, uint64_t generation) : alarm_(std::move(alarm)), generation_(generation) {}

    std::optional<milliseconds> step() override {
        std::shared_ptr<Cache> cache;
        {
            const std::lock_guard<std::mutex> lock(alarm_->mutex_);
            if (generation_ != alarm_->generation_) return std::nullopt;
            // From now on a wake() makes another task.
            alarm_->due_ = Alarm::Clock::time_point::max();
            cache = alarm_->cache_.lock();
        }
        if (cache == nullptr) return std::nullopt;
        if (const std::optional<uint32_t> next = cache->tick()) alarm_->wake(*next);
        return std::nullopt;
    }

  private:
    const std::shared_ptr<Alarm> alarm_;
    const uint64_t generation_;
};

void Alarm::wake(uint32_t inMs) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const Clock::time_point due = Clock::now() + milliseconds(inMs);
    if (due_ <= due) return;
    std::unique_ptr<Task> task = std::make_unique<AlarmTask>(shared_from_this(), generation_ + 1);
    // Without a thread, what has expired goes when somebody asks for it, or when its room is needed.
    if (doInBackground(task, milliseconds(inMs)) != 0) return;
    generation_++;
    due_ = due;
}

}  // namespace daxkind::cache
