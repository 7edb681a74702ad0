// Tells the scripts of an environment what their kinds and mappings have lost.
#pragma once

#include <napi.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "binding/loop_call.h"
#include "kind/losses.h"

namespace daxkind {

// The queue of one environment. The guard's thread puts losses in, and the environment's thread takes them out.
class LossQueue {
  public:
    // The environment's queue, made when it is first asked for.
    static std::shared_ptr<LossQueue> of(Napi::Env env);

    void put(bool isMapping, int64_t id, const Loss& loss);
    // Called by the environment's thread. The handler is called with each loss.
    void setHandler(Napi::Function handler) { handler_ = Napi::Persistent(handler); }
    // Nothing is called from now on.
    void stop();

  private:
    struct Entry {
        bool isMapping;
        int64_t id;
        Loss loss;
    };
    void tell(Napi::Env env);

    std::mutex mutex_;
    std::vector<Entry> entries_;
    std::shared_ptr<LoopCall> loopCall_;
    Napi::FunctionReference handler_;
};

// Puts losses into an environment's queue, with the number by which the environment knows the kind or the mapping.
class QueueSink final : public LossSink {
  public:
    QueueSink(std::shared_ptr<LossQueue> queue, bool isMapping, int64_t id)
        : queue_(std::move(queue)), isMapping_(isMapping), id_(id) {}
    void lost(const Loss& loss) override { queue_->put(isMapping_, id_, loss); }

  private:
    const std::shared_ptr<LossQueue> queue_;
    const bool isMapping_;
    const int64_t id_;
};

// 'media', 'truncated', 'no-space', 'removed' or 'unknown'.
const char* nameOf(LossCause cause);

}  // namespace daxkind
