// Calls that may take the kernel long. Threads of their own make them (jobs/background.h). Each call gives JavaScript a
// promise, and a control through which a script watches and aborts it. The promise keeps its event loop alive. The end
// of the environment aborts its jobs and waits for none of them.
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
    // For the error's message.
    std::string path;
    // Does some milliseconds of the work, on another thread. Gives kMore, 0 when all is done, or -errno with the call
    // that failed. It owns what it works on.
    std::function<int(const char**)> step;
    // Makes the promise's value, on the environment's thread.
    std::function<Napi::Value(Napi::Env)> value = [](Napi::Env env) { return env.Undefined(); };
    // Whether the environment's own thread does all of the work if there can be no other thread. If false, the job
    // fails then with the error of the failed attempt, such as EAGAIN.
    bool mustBeDone = false;

    // Ends the job between two steps when it is not 0. Null if the job cannot be aborted.
    std::shared_ptr<std::atomic<double>> isAborted;
    int error = 0;
    const char* failedCall = "";
    napi_deferred deferred = nullptr;
};

// The jobs of one environment. Threads that work on them may outlive it.
class EnvironmentJobs : public std::enable_shared_from_this<EnvironmentJobs> {
  public:
    // The jobs of this environment, made when it starts its first one. Null with an exception pending if that fails.
    static std::shared_ptr<EnvironmentJobs> of(Napi::Env env);

    // Called by the environment's thread.
    void start(napi_env env, std::unique_ptr<Job> job);
    // Called by any thread when the job is done.
    void finish(std::unique_ptr<Job> job);

  private:
    bool open(napi_env env);
    void settleFinished(napi_env env);
    void end();

    // The jobs whose promises are pending. Only the environment's thread uses it.
    std::unordered_set<Job*> pending_;

    // Keeps the event loop alive while a promise is pending.
    std::shared_ptr<LoopCall> loopCall_;
    std::mutex mutex_;
    bool hasEnded_ = false;
    std::vector<std::unique_ptr<Job>> finished_;
};

// Starts a job and gives { promise, control }.
Napi::Value queueJob(Napi::Env env, std::unique_ptr<Job> job, napi_value control);

// Starts a job. JavaScript sees the job's control, a struct of atomic doubles, as a Float64Array. The first one is
// `isAborted`: the job ends soon after it is set. The others say how far the job is.
template <typename Control>
Napi::Value startJob(Napi::Env env, std::unique_ptr<Job> job, std::shared_ptr<Control> control) {
    static_assert(sizeof(std::atomic<double>) == sizeof(double) && std::atomic<double>::is_always_lock_free);
    const napi_value seen = externalArrayBuffer<Control>(env, control.get(), sizeof(Control), control);
    if (seen == nullptr) return env.Undefined();
    if (!job->mustBeDone) job->isAborted = std::shared_ptr<std::atomic<double>>(control, &control->isAborted);
    return queueJob(env, std::move(job), seen);
}

}  // namespace daxkind
