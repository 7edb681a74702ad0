// What kinds do by threads of their own. A job holds what it works on, so that closing in the meantime, or the end of
// the environment, leaves it whole.
#include <cerrno>
#include <optional>

#include "binding/job.h"
#include "binding/kind.h"
#include "binding/kind_table.h"
#include "kind/making.h"
#include "kind/registry.h"

namespace daxkind {

namespace {

HoldTable* tableOf(const Napi::CallbackInfo& info) {
    return static_cast<HoldTable*>(info.Data());
}

Hold* holdOf(const Napi::CallbackInfo& info) {
    return tableOf(info)->find(info[0].As<Napi::Number>().Int64Value());
}

// A kind that is being made.
struct Creation {
    PmemKindRequest request;
    std::shared_ptr<Kind> kind;
    std::optional<Prefault> prefault;

    int step(JobControl& control, const char** failedCall) {
        if (prefault) return prefault->step(control, failedCall);
        const int error = makePmemKind(request, &kind, failedCall);
        if (error != 0 || !request.prefault) return error;
        prefault.emplace(kind);
        return kMore;
    }
};

// kindCreateAsync(directory, maxSize, conservative, sync, prefault, debug): the promise of a KindHandle
Napi::Value create(const Napi::CallbackInfo& info) {
    auto job = std::make_unique<Job>();
    const auto control = std::make_shared<JobControl>();
    const auto creation = std::make_shared<Creation>();
    creation->request = takeKindRequest(info);
    job->path = creation->request.directory;
    job->step = [creation, control](const char** failedCall) { return creation->step(*control, failedCall); };
    job->value = [creation, table = tableOf(info)](Napi::Env env) {
        registerKind(creation->kind);
        return table->attach(env, creation->kind);
    };
    return startJob(info.Env(), std::move(job), control);
}

// kindPrefaultAsync(id)
Napi::Value prefault(const Napi::CallbackInfo& info) {
    Hold* const at = holdOf(info);
    if (at == nullptr) return info.Env().Undefined();
    auto job = std::make_unique<Job>();
    const auto control = std::make_shared<JobControl>();
    const auto prefault = std::make_shared<Prefault>(at->kind);
    job->path = at->kind->description.path;
    job->step = [kind = at->kind, prefault, control](const char** failedCall) {
        // When all that held it have let go nobody needs its memory.
        return kind->heap.isHeld() ? prefault->step(*control, failedCall) : -ECANCELED;
    };
    return startJob(info.Env(), std::move(job), control);
}

// kindPurgeAsync(id): the promise of the bytes given back
Napi::Value purge(const Napi::CallbackInfo& info) {
    Hold* const at = holdOf(info);
    if (at == nullptr) return info.Env().Undefined();
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
    return startJob(info.Env(), std::move(job), control);
}

// kindCloseAsync(id)
Napi::Value closeKind(const Napi::CallbackInfo& info) {
    auto job = std::make_unique<Job>();
    const auto control = std::make_shared<JobControl>();
    std::unique_ptr<Hold> hold = tableOf(info)->take(info[0].As<Napi::Number>().Int64Value());
    if (hold == nullptr) return info.Env().Undefined();
    auto kind = std::make_shared<std::shared_ptr<Kind>>(hold->kind);
    // Before the job can begin, which gives the storage back if nobody else has the kind.
    hold.reset();
    job->mustBeDone = true;
    job->step = [kind](const char**) {
        const Kind::AtOnce atOnce;
        kind->reset();
        return 0;
    };
    return startJob(info.Env(), std::move(job), control);
}

}  // namespace

void exportKindJobs(Napi::Env env, Napi::Object exports, HoldTable* table) {
    exports["kindCreateAsync"] = Napi::Function::New(env, create, "kindCreateAsync", table);
    exports["kindPrefaultAsync"] = Napi::Function::New(env, prefault, "kindPrefaultAsync", table);
    exports["kindPurgeAsync"] = Napi::Function::New(env, purge, "kindPurgeAsync", table);
    exports["kindCloseAsync"] = Napi::Function::New(env, closeKind, "kindCloseAsync", table);
}

}  // namespace daxkind
