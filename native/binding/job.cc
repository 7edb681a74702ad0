// See job.h.
#include "binding/job.h"

#include <cerrno>
#include <new>
#include <optional>

#include "binding/addon.h"
#include "binding/errors.h"
#include "jobs/background.h"
#include "kind/kind.h"

namespace daxkind {

namespace {

// A job makes few allocations of its own and may work on much. Where one fails, there may well be memory for what
// follows.
int outOfMemory(Job& job) {
    job.failedCall = "malloc";
    return job.error = -ENOMEM;
}

// Does one step of a job. Gives its result, or -ECANCELED if the job is aborted.
int stepOf(Job& job) {
    if (job.isAborted != nullptr && job.isAborted->load(std::memory_order_relaxed) != 0) return -ECANCELED;
    try {
        return job.step(&job.failedCall);
    } catch (const std::bad_alloc&) {
        return outOfMemory(job);
    }
}

// Does one step of a job. True if there is more to do.
bool advance(Job& job) {
    job.error = stepOf(job);
    if (job.error == kMore) return true;
    // The job may have had the last hold on a kind. The storage is back when the promise settles.
    const Kind::AtOnce atOnce;
    job.step = nullptr;
    if (job.error != 0) job.value = nullptr;
    return false;
}

class JobTask final : public Task {
  public:
    JobTask(std::unique_ptr<Job> job, std::shared_ptr<EnvironmentJobs> jobs)
        : job_(std::move(job)), jobs_(std::move(jobs)) {}

    std::optional<std::chrono::milliseconds> step() override {
        if (advance(*job_)) return std::chrono::milliseconds(0);
        jobs_->finish(std::move(job_));
        return std::nullopt;
    }

    std::unique_ptr<Job> takeBack() { return std::move(job_); }

  private:
    std::unique_ptr<Job> job_;
    const std::shared_ptr<EnvironmentJobs> jobs_;
};

// Lets go of what jobs have made for an environment that has ended. That may be whole kinds, and it takes the kernel
// long to free them.
class Discarding final : public Task {
  public:
    explicit Discarding(std::vector<std::unique_ptr<Job>> jobs) : jobs_(std::move(jobs)) {}

    std::optional<std::chrono::milliseconds> step() override {
        jobs_.clear();
        return std::nullopt;
    }

  private:
    std::vector<std::unique_ptr<Job>> jobs_;
};

void settle(Napi::Env env, Job& job) {
    const Napi::HandleScope scope(env);
    Napi::Value value = env.Undefined();
    if (job.error == 0) {
        try {
            value = job.value(env);
        } catch (const std::bad_alloc&) {
            outOfMemory(job);
        }
    }
    if (job.error != 0) throwSystemError(env, job.error, job.failedCall, job.path.c_str());
    napi_value exception;
    bool isPending = false;
    napi_is_exception_pending(env, &isPending);
    if (isPending && napi_get_and_clear_last_exception(env, &exception) == napi_ok) {
        napi_reject_deferred(env, job.deferred, exception);
    } else {
        napi_resolve_deferred(env, job.deferred, value);
    }
}

}  // namespace

// ---- The jobs of an environment -------------------------------------------------------------------------------------

std::shared_ptr<EnvironmentJobs> EnvironmentJobs::of(Napi::Env env) {
    std::shared_ptr<EnvironmentJobs>& jobs = AddonState::of(env).jobs;
    if (jobs != nullptr) return jobs;
    const auto made = std::make_shared<EnvironmentJobs>();
    if (!made->open(env)) {
        // Nothing can be made in a worker that is being terminated. No script sees this error.
        if (!env.IsExceptionPending()) napi_throw_error(env, nullptr, "Node cannot make a thread-safe function");
        return nullptr;
    }
    jobs = made;
    return jobs;
}

bool EnvironmentJobs::open(napi_env env) {
    loopCall_ = LoopCall::create(env, [this](napi_env env) { settleFinished(env); });
    if (loopCall_ == nullptr) return false;
    // Does not run at process.exit() in the main thread, where the process ends before anybody could miss the jobs.
    auto* const ended = new std::shared_ptr<EnvironmentJobs>(shared_from_this());
    const auto hook = [](void* data) {
        auto* const ended = static_cast<std::shared_ptr<EnvironmentJobs>*>(data);
        (*ended)->end();
        delete ended;
    };
    napi_add_env_cleanup_hook(env, hook, ended);
    return true;
}

void EnvironmentJobs::start(napi_env env, std::unique_ptr<Job> job) {
    Job& started = *job;
    auto work = std::make_unique<JobTask>(std::move(job), shared_from_this());
    if (pending_.empty()) loopCall_->keepAlive(env, true);
    pending_.insert(&started);
    {
        // So finish() allocates nothing.
        const std::lock_guard<std::mutex> lock(mutex_);
        finished_.reserve(pending_.size());
    }
    std::unique_ptr<Task> task = std::move(work);
    const int error = doInBackground(task);
    if (error == 0) return;
    job = static_cast<JobTask&>(*task).takeBack();
    if (job->mustBeDone) {
        while (advance(*job));
    } else {
        job->error = error;
        job->failedCall = error == -ENOMEM ? "malloc" : "pthread_create";
    }
    finish(std::move(job));
}

void EnvironmentJobs::finish(std::unique_ptr<Job> job) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (hasEnded_) return;
    finished_.push_back(std::move(job));
    // One call settles all jobs that have finished by then.
    if (finished_.size() == 1) loopCall_->wake();
}

void EnvironmentJobs::settleFinished(napi_env env) {
    std::vector<std::unique_ptr<Job>> finished;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        for (std::unique_ptr<Job>& job : finished_) finished.push_back(std::move(job));
        finished_.clear();
    }
    for (const auto& job : finished) {
        pending_.erase(job.get());
        settle(env, *job);
    }
    if (pending_.empty()) loopCall_->keepAlive(env, false);
}

void EnvironmentJobs::end() {
    loopCall_->stop();
    std::vector<std::unique_ptr<Job>> finished;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        for (Job* const job : pending_) {
            if (job->isAborted != nullptr) job->isAborted->store(1, std::memory_order_relaxed);
        }
        hasEnded_ = true;
        finished.swap(finished_);
    }
    if (finished.empty()) return;
    std::unique_ptr<Task> task = std::make_unique<Discarding>(std::move(finished));
    doInBackground(task);
}

Napi::Value queueJob(Napi::Env env, std::unique_ptr<Job> job, napi_value control) {
    const auto jobs = EnvironmentJobs::of(env);
    if (jobs == nullptr) return env.Undefined();
    napi_value promise;
    if (napi_create_promise(env, &job->deferred, &promise) != napi_ok) return env.Undefined();
    Napi::Object result = Napi::Object::New(env);
    result["control"] = Napi::Value(env, control);
    result["promise"] = Napi::Value(env, promise);
    jobs->start(env, std::move(job));
    return result;
}

}  // namespace daxkind
