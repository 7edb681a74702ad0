// See job.h.
#include "binding/job.h"

#include "binding/errors.h"

namespace daxkind {

namespace {

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

}  // namespace

Napi::Value queueJob(Napi::Env env, std::unique_ptr<Job> job, napi_value control) {
    Napi::Object result = Napi::Object::New(env);
    napi_value promise;
    if (napi_create_promise(env, &job->deferred, &promise) != napi_ok) return env.Undefined();
    result["control"] = Napi::Value(env, control);
    result["promise"] = Napi::Value(env, promise);
    const auto execute = [](napi_env, void* data) {
        Job& job = *static_cast<Job*>(data);
        job.error = job.run(&job.failedCall);
    };
    Job* const running = job.release();
    napi_create_async_work(env, nullptr, Napi::String::New(env, "daxkind"), execute, settle, running, &running->work);
    napi_queue_async_work(env, running->work);
    return result;
}

}  // namespace daxkind
