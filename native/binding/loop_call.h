// A call on an environment's event loop that any thread may ask for.
#pragma once

#include <node_api.h>

#include <functional>
#include <memory>
#include <mutex>

namespace daxkind {

class LoopCall {
  public:
    // Has `run` called on the event loop soon after each wake(), once for several that come before it. Null if the
    // environment can make no such call any more, as in a worker that is being terminated. It does not keep the event
    // loop alive.
    static std::shared_ptr<LoopCall> create(napi_env env, std::function<void(napi_env)> run);

    // By any thread.
    void wake();
    // By the environment's own thread: whether it keeps the event loop alive.
    void keepAlive(napi_env env, bool isKept);
    // By the environment's own thread: nothing is called from now on.
    void stop();

  private:
    std::mutex mutex_;
    // Null when the environment has ended, or after stop().
    napi_threadsafe_function function_ = nullptr;
    // For the environment's thread alone.
    std::function<void(napi_env)> run_;
};

}  // namespace daxkind
