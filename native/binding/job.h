// Calls that may take the kernel long, made by the thread pool: each gives JavaScript a promise, and a control by which
// it can be watched and aborted while it runs.
#pragma once

#include <napi.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "binding/external.h"

namespace daxkind {

struct Job {
    // For the error.
    std::string path;
    // By the pool: 0 or -errno with the call that failed.
    std::function<int(const char**)> run;
    // Back in the environment: the promise's value.
    std::function<Napi::Value(Napi::Env)> value = [](Napi::Env env) { return env.Undefined(); };

    int error = 0;
    const char* failedCall = "";
    napi_async_work work = nullptr;
    napi_deferred deferred = nullptr;
};

// { promise, control } of a job that is under way.
Napi::Value queueJob(Napi::Env env, std::unique_ptr<Job> job, napi_value control);

// Starts a job. JavaScript sees its control, a struct of volatile doubles, as a Float64Array: the first ends the job
// soon when it is set, the others say how far it is.
template <typename Control>
Napi::Value startJob(Napi::Env env, std::unique_ptr<Job> job, std::shared_ptr<Control> control) {
    const napi_value seen = externalArrayBuffer<Control>(env, control.get(), sizeof(Control), control);
    if (seen == nullptr) return env.Undefined();
    return queueJob(env, std::move(job), seen);
}

}  // namespace daxkind
