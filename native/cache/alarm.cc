#include "cache/alarm.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "cache/cache.h"
#include "jobs/background.h"

namespace daxkind::cache {

using std::chrono::milliseconds;

class AlarmTask final : public Task {
  public:
    AlarmTask(std::shared_ptr<Alarm> alarm, Alarm::Clock::time_point due) : alarm_(std::move(alarm)), due_(due) {}

    std::optional<milliseconds> step() override {
        std::shared_ptr<Cache> cache;
        {
            const std::lock_guard<std::mutex> lock(alarm_->mutex_);
            // From now on a wake() makes another task.
            std::vector<Alarm::Clock::time_point>& waiting = alarm_->waiting_;
            waiting.erase(std::find(waiting.begin(), waiting.end(), due_));
            alarm_->noteSoonest();
            cache = alarm_->cache_.lock();
        }
        if (cache == nullptr) return std::nullopt;
        if (const std::optional<uint32_t> next = cache->tick()) alarm_->wake(*next);
        return std::nullopt;
    }

  private:
    const std::shared_ptr<Alarm> alarm_;
    const Alarm::Clock::time_point due_;
};

void Alarm::noteSoonest() {
    soonest_.store(waiting_.empty() ? Clock::time_point::max() : waiting_.back());
}

void Alarm::wake(uint32_t inMs) {
    const Clock::time_point due = Clock::now() + milliseconds(inMs);
    if (soonest_.load() <= due) return;
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!waiting_.empty() && waiting_.back() <= due) return;
    std::unique_ptr<Task> task = std::make_unique<AlarmTask>(shared_from_this(), due);
    waiting_.push_back(due);
    // Without a thread, what has expired goes when somebody asks for it, or when its room is needed.
    if (doInBackground(task, milliseconds(inMs)) != 0) waiting_.pop_back();
    noteSoonest();
}

}  // namespace daxkind::cache
