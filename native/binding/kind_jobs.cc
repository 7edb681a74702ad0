// Calls that may take the kernel long, made by the thread pool: each gives JavaScript a promise, and a control by which
// the job can be watched and aborted (JobControl). A job holds what it works on, so that closing in the meantime, or
// the end of the environment, leaves it whole.
#include <cerrno>
#include <functional>

#include "binding/errors.h"
#include "binding/external.h"
#include "binding/kind.h"
#include "binding/kind_making.h"

namespace daxkind {

namespace {

// One step of an asynchronous purge: the heap is locked no longer than this takes.
constexpr uint64_t kPurgeStep = 64 * 1024 * 1024;

struct Job {
    std::shared_ptr<JobControl> control = std::make_shared<JobControl>();
    std::string path;
    // By the pool: 0 or -errno with the call that failed.
    std::function<int(JobControl&, const char**)> run;
    // Back in the environment: the promise's value.
    std::function<Napi::Value(Napi::Env)> value = [](Napi::Env env) { return env.Undefined(); };

    int error = 0;
    const char* failedCall = "";
    napi_async_work work = nullptr;
    napi_deferred deferred = nullptr;
};

void settle(napi_env rawEnv, napi_status status, void* data) {
    const std::unique_ptr<Job> job(static_cast<Job*>(data));
    napi_delete_async_work(rawEnv, job->work);
    // The environment is ending and runs no script any more.
    if (status == napi_cancelled) return;
    const Napi::Env env(rawEnv);
    const Napi::HandleScope scope(env);
    Napi::Value value = env.Undefined();
    if (job->error == 0) value = job->value(env);
    if (job->error != 0) throwSystemError(env, job->error, job->failedCall, job->path.c_str());
    napi_value exception;
    bool isPending = false;
    napi_is_exception_pending(rawEnv, &isPending);
    if (isPending && napi_get_and_clear_last_exception(rawEnv, &exception) == napi_ok) {
        napi_reject_deferred(rawEnv, job->deferred, exception);
    } else {
        napi_resolve_deferred(rawEnv, job->deferred, value);
    }
}

// { promise, control }
Napi::Value start(Napi::Env env, std::unique_ptr<Job> job) {
    Napi::Object result = Napi::Object::New(env);
    const napi_value control =
        externalArrayBuffer<JobControl>(env, job->control.get(), sizeof(JobControl), job->control);
    if (control == nullptr) return env.Undefined();
    napi_value promise;
    if (napi_create_promise(env, &job->deferred, &promise) != napi_ok) return env.Undefined();
    result["control"] = Napi::Value(env, control);
    result["promise"] = Napi::Value(env, promise);
    const auto execute = [](napi_env, void* data) {
        Job& job = *static_cast<Job*>(data);
        job.error = job.run(*job.control, &job.failedCall);
    };
    Job* const running = job.release();
    napi_create_async_work(env, nullptr, Napi::String::New(env, "daxkind"), execute, settle, running, &running->work);
    napi_queue_async_work(env, running->work);
    return result;
}

KindTable* tableOf(const Napi::CallbackInfo& info) {
    return static_cast<KindTable*>(info.Data());
}

Attachment* attachmentOf(const Napi::CallbackInfo& info) {
    return tableOf(info)->find(info[0].As<Napi::Number>());
}

// kindCreateAsync(directory, maxSize, conservative, sync, prefault, debug): the promise of a KindHandle
Napi::Value create(const Napi::CallbackInfo& info) {
    auto job = std::make_unique<Job>();
    const PmemKindRequest request = takeKindRequest(info);
    job->path = request.directory;
    auto made = std::make_shared<std::shared_ptr<Kind>>();
    job->run = [request, made](JobControl& control, const char** failedCall) {
        return makePmemKind(request, control, made.get(), failedCall);
    };
    job->value = [made, table = tableOf(info)](Napi::Env env) {
        registerKind(*made);
        return attachKind(env, table, std::move(*made));
    };
    return start(info.Env(), std::move(job));
}

// kindPrefaultAsync(id)
Napi::Value prefault(const Napi::CallbackInfo& info) {
    Attachment* const at = attachmentOf(info);
    if (at == nullptr) return info.Env().Undefined();
    auto job = std::make_unique<Job>();
    job->path = at->kind->description.path;
    job->run = [kind = at->kind](JobControl& control, const char** failedCall) {
        return prefaultKind(*kind, true, control, failedCall);
    };
    return start(info.Env(), std::move(job));
}

// kindPurgeAsync(id): the promise of the bytes given back
Napi::Value purge(const Napi::CallbackInfo& info) {
    Attachment* const at = attachmentOf(info);
    if (at == nullptr) return info.Env().Undefined();
    auto job = std::make_unique<Job>();
    job->path = at->kind->description.path;
    at->kind->heap.empty(at->cache.get());
    job->run = [kind = at->kind](JobControl& control, const char** failedCall) {
        *failedCall = "fallocate";
        for (;;) {
            if (control.isAborted != 0) return -ECANCELED;
            const uint64_t given = kind->heap.purgeSome(kPurgeStep);
            if (given == 0) return 0;
            control.done = control.done + static_cast<double>(given);
        }
    };
    job->value = [control = job->control](Napi::Env env) { return Napi::Number::New(env, control->done); };
    return start(info.Env(), std::move(job));
}

// kindCloseAsync(id)
Napi::Value closeKind(const Napi::CallbackInfo& info) {
    auto job = std::make_unique<Job>();
    const std::unique_ptr<Attachment> attachment = tableOf(info)->take(info[0].As<Napi::Number>());
    if (attachment == nullptr) return info.Env().Undefined();
    auto kind = std::make_shared<std::shared_ptr<Kind>>(attachment->kind);
    job->run = [kind](JobControl&, const char**) {
        // The last hold: gives the storage back.
        kind->reset();
        return 0;
    };
    return start(info.Env(), std::move(job));
}

}  // namespace

void exportKindJobs(Napi::Env env, Napi::Object exports, KindTable* table) {
    exports["kindCreateAsync"] = Napi::Function::New(env, create, "kindCreateAsync", table);
    exports["kindPrefaultAsync"] = Napi::Function::New(env, prefault, "kindPrefaultAsync", table);
    exports["kindPurgeAsync"] = Napi::Function::New(env, purge, "kindPurgeAsync", table);
    exports["kindCloseAsync"] = Napi::Function::New(env, closeKind, "kindCloseAsync", table);
}

}  // namespace daxkind
