#include "kind/decay.h"

#include <chrono>
#include <optional>

#include "jobs/background.h"

namespace daxkind {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kEnding{10};

class DecayTask final : public Task {
  public:
    DecayTask(std::shared_ptr<Decay> decay, bool isUrgent) : decay_(std::move(decay)), isUrgent_(isUrgent) {}

    std::optional<milliseconds> step() override {
        const uint32_t nextInMs = decay_->step(isUrgent_).nextInMs;
        if (nextInMs == ScavengeStep::kNever) return std::nullopt;
        return milliseconds(nextInMs);
    }

  private:
    const std::shared_ptr<Decay> decay_;
    const bool isUrgent_;
};

}  // namespace

std::shared_ptr<Decay> Decay::start(const std::shared_ptr<Heap>& heap) {
    auto decay = std::make_shared<Decay>();
    decay->heap_ = heap;
    heap->setDecay([](void* data, uint32_t inMs) { return static_cast<Decay*>(data)->wake(inMs); }, decay.get());
    return decay;
}

// False if no thread can be had. Then the storage stays until something is freed again, because the heap asks anew.
bool Decay::wake(uint32_t inMs) {
    std::unique_ptr<Task> task = std::make_unique<DecayTask>(shared_from_this(), inMs == 0);
    return doInBackground(task, milliseconds(inMs)) == 0;
}

ScavengeStep Decay::step(bool isUrgent) {
    std::shared_ptr<Heap> heap;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (!isEnded_) heap = heap_.lock();
        if (heap == nullptr) return {0, ScavengeStep::kNever};
        calls_++;
    }
    const ScavengeStep step = heap->decay(isUrgent);
    heap.reset();
    const std::lock_guard<std::mutex> lock(mutex_);
    calls_--;
    returned_.notify_all();
    return step;
}

void Decay::end() {
    std::unique_lock<std::mutex> lock(mutex_);
    isEnded_ = true;
    returned_.wait_for(lock, kEnding, [this] { return calls_ == 0; });
}

}  // namespace daxkind
