// What kinds do on threads of their own. A job has a share in the kind that it works on. So the kind stays whole when a
// script closes it meanwhile, or when the environment ends.
#include <cerrno>
#include <memory>
#include <optional>
#include <utility>

#include "binding/exports.h"
#include "binding/job.h"
#include "binding/kind_call.h"
#include "binding/values.h"
#include "kind/making.h"
#include "kind/registry.h"

namespace daxkind {

namespace {

// Gives the promise of a KindHandle.
napi_value make(napi_env env, KindCall& call, std::unique_ptr<Making> unique) {
    const std::shared_ptr<Making> making = std::move(unique);
    auto job = std::make_unique<Job>();
    const auto control = std::make_shared<JobControl>();
    job->path = making->path();
    job->step = [making, control](const char** failedCall) { return making->step(*control, failedCall); };
    job->value = [making, &holds = call.holds()](Napi::Env env) {
        registerKind(making->kind());
        return holds.attach(env, making->kind());
    };
    return startJob(env, std::move(job), control);
}

// kindPrefaultAsync(id)
napi_value prefault(napi_env env, napi_callback_info info) {
    KindCall call(env, info, 1);
    Hold* const at = call.hold();
    if (at == nullptr) return nullptr;
    auto job = std::make_unique<Job>();
    const auto control = std::make_shared<JobControl>();
    const auto prefault = std::make_shared<Prefault>(at->kind);
    job->path = at->kind->description.path;
    job->step = [kind = at->kind, prefault, control](const char** failedCall) {
        // When everybody has let go of the kind, nobody needs its memory.
        return kind->heap.isHeld() ? prefault->step(*control, failedCall) : -ECANCELED;
    };
    return startJob(env, std::move(job), control);
}

// kindPurgeAsync(id): the promise of how many bytes were given back
napi_value purge(napi_env env, napi_callback_info info) {
    KindCall call(env, info, 1);
    Hold* const at = call.hold();
    if (at == nullptr) return nullptr;
    auto job = std::make_unique<Job>();
    const auto control = std::make_shared<JobControl>();
    job->path = at->kind->description.path;
    at->kind->heap.empty(at->cache.get());
    job->step = [kind = at->kind, control](const char**) {
        const uint64_t given = kind->heap.purgeSome(UINT64_MAX);
        const double before = control->done.load(std::memory_order_relaxed);
        control->done.store(before + static_cast<double>(given), std::memory_order_relaxed);
        return given == 0 ? 0 : kMore;
    };
    job->value = [control](Napi::Env env) { return Napi::Number::New(env, control->done); };
    return startJob(env, std::move(job), control);
}

// kindCloseAsync(id)
napi_value closeKind(napi_env env, napi_callback_info info) {
    KindCall call(env, info, 1);
    const int64_t id = call.id();
    if (call.isRefused()) return nullptr;
    std::unique_ptr<Hold> hold = call.holds().take(id);
    if (hold == nullptr) return nullptr;
    auto job = std::make_unique<Job>();
    const auto control = std::make_shared<JobControl>();
    // The job has nothing to do but to let go of the kind, as every job does of what it works on.
    job->step = [kind = hold->kind](const char**) { return 0; };
    job->mustBeDone = true;
    // The hold ends before the job can begin. If nobody else has the kind, the job gives the storage back.
    hold.reset();
    return startJob(env, std::move(job), control);
}

}  // namespace

void exportKindJobs(Napi::Env env, Napi::Object exports, HoldTable* holds) {
    exportFunctions(env, exports,
                    {{"kindCreateAsync", makePmem<make>},
                     {"kindCreateDeviceAsync", makeDevice<make>},
                     {"kindCreateNodeAsync", makeNode<make>},
                     {"kindPrefaultAsync", prefault},
                     {"kindPurgeAsync", purge},
                     {"kindCloseAsync", closeKind}},
                    holds);
}

}  // namespace daxkind
