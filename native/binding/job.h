// Calls that may take the kernel long, made by threads of their own (jobs/background.h): each gives JavaScript a
// promise, and a control by which it can be watched and aborted while it runs. The promise keeps its event loop alive.
// The end of the environment aborts its jobs, and waits for none of them.
#pragma once

#include <napi.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "binding/external.h"
#include "binding/loop_call.h"
#include "jobs/control.h"

namespace daxkind {

struct Job {
    // For the error.
    std::string path;
    // By another thread, some milliseconds of the work: kMore, 0 when all is done, or -errno with the call that failed.
    // What it works on it owns.
    std::function<int(const char**)> step;
    // Back in the environment: the promise's value.
    std::function<Napi::Value(Napi::Env)> value = [](Napi::Env env) { return env.Undefined(); };
    // Whether the environment's own thread does it all if no other thread can be had. Otherwise it fails with EAGAIN.
    bool mustBeDone = false;

    // Ends the job between two steps when it is not 0; null if it cannot be aborted.
    std::shared_ptr<std::atomic<double>> isAborted;
    int error = 0;
    const char* failedCall = "";
    napi_deferred deferred = nullptr;
};

// The jobs of one environment. Threads that work on them may outlive it.
class EnvironmentJobs : public std::enable_shared_from_this<EnvironmentJobs> {
  public:
    // Of this environment; made when it starts its first job. Null with an exception pending where that fails.
    static std::shared_ptr<EnvironmentJobs> of(Napi::Env env);

    // By the environment's thread.
    void start(napi_env env, std::unique_ptr<Job> job);
    // By any thread: what it was told to do is done.
    void finish(std::unique_ptr<Job> job);

  private:
    bool open(napi_env env);
    void settleFinished(napi_env env);
    void end();

    // Those whose promises are pending. For the environment's thread alone.
    std::unordered_set<Job*> pending_;

    // Keeps the event loop alive while a promise is pending.
    std::shared_ptr<LoopCall> loopCall_;
    std::mutex mutex_;
    bool hasEnded_ = false;
    std::vector<std::unique_ptr<Job>> finished_;
};

// { promise, control } of a job that is under way.
Napi::Value queueJob(Napi::Env env, std::unique_ptr<Job> job, napi_value control);

// Starts a job. JavaScript sees its control, a struct of atomic doubles, as a Float64Array: the first, `isAborted`,
// ends the job soon when it is set, the others say how far it is.
template <typename Control>
Napi::Value startJob(Napi::Env env, std::unique_ptr<Job> job, std::shared_ptr<Control> control) {
    static_assert(sizeof(std::atomic<double>) == sizeof(double) && std::atomic<double>::is_always_lock_free);
    const napi_value seen = externalArrayBuffer<Control>(env, control.get(), sizeof(Control), control);
    if (seen == nullptr) return env.Undefined();
    if (!job->mustBeDone) job->isAborted = std::shared_ptr<std::atomic<double>>(control, &control->isAborted);
    return queueJob(env, std::move(job), seen);
}

}  // namespace daxkind
