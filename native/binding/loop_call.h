// A call on an environment's event loop. Any thread may ask for it.
#pragma once

#include <node_api.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>

namespace daxkind {

class LoopCall {
  public:
    // Calls `run` on the event loop soon after each wake(), and once for several wake() that come before it. It does
    // not keep the event loop alive. Null if the environment can make no such call any more, as in a worker that is
    // being terminated.
    static std::shared_ptr<LoopCall> create(napi_env env, std::function<void(napi_env)> run);

    // Called by any thread.
    void wake();
    // Called by the environment's own thread. Says whether the call keeps the event loop alive.
    void keepAlive(napi_env env, bool isKept);
    // Called by the environment's own thread. Nothing is called from now on.
    void stop();

  private:
    std::mutex mutex_;
    // Null once the environment has ended, or after stop().
    napi_threadsafe_function function_ = nullptr;
    // A call of the function is queued, and has not begun.
    std::atomic<bool> isQueued_{false};
    // Only the environment's thread uses it.
    std::function<void(napi_env)> run_;
};

}  // namespace daxkind
