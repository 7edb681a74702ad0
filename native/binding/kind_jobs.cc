// What kinds do by the thread pool. A job holds what it works on, so that closing in the meantime, or the end of the
// environment, leaves it whole.
#include <cerrno>

#include "binding/job.h"
#include "binding/kind.h"
#include "binding/kind_making.h"

namespace daxkind {

namespace {

// One step of an asynchronous purge: the heap is locked no longer than this takes.
constexpr uint64_t kPurgeStep = 64 * 1024 * 1024;

KindTable* tableOf(const Napi::CallbackInfo& info) {
    return static_cast<KindTable*>(info.Data());
}

Attachment* attachmentOf(const Napi::CallbackInfo& info) {
    return tableOf(info)->find(info[0].As<Napi::Number>());
}

// kindCreateAsync(directory, maxSize, conservative, sync, prefault, debug): the promise of a KindHandle
Napi::Value create(const Napi::CallbackInfo& info) {
    auto job = std::make_unique<Job>();
    const auto control = std::make_shared<JobControl>();
    const PmemKindRequest request = takeKindRequest(info);
    job->path = request.directory;
    auto made = std::make_shared<std::shared_ptr<Kind>>();
    job->run = [request, made, control](const char** failedCall) {
        return makePmemKind(request, *control, made.get(), failedCall);
    };
    job->value = [made, table = tableOf(info)](Napi::Env env) {
        registerKind(*made);
        return attachKind(env, table, std::move(*made));
    };
    return startJob(info.Env(), std::move(job), control);
}

// kindPrefaultAsync(id)
Napi::Value prefault(const Napi::CallbackInfo& info) {
    Attachment* const at = attachmentOf(info);
    if (at == nullptr) return info.Env().Undefined();
    auto job = std::make_unique<Job>();
    const auto control = std::make_shared<JobControl>();
    job->path = at->kind->description.path;
    job->run = [kind = at->kind, control](const char** failedCall) {
        return prefaultKind(*kind, true, *control, failedCall);
    };
    return startJob(info.Env(), std::move(job), control);
}

// kindPurgeAsync(id): the promise of the bytes given back
Napi::Value purge(const Napi::CallbackInfo& info) {
    Attachment* const at = attachmentOf(info);
    if (at == nullptr) return info.Env().Undefined();
    auto job = std::make_unique<Job>();
    const auto control = std::make_shared<JobControl>();
    job->path = at->kind->description.path;
    at->kind->heap.empty(at->cache.get());
    job->run = [kind = at->kind, control](const char** failedCall) {
        *failedCall = "fallocate";
        for (;;) {
            if (control->isAborted != 0) return -ECANCELED;
            const uint64_t given = kind->heap.purgeSome(kPurgeStep);
            if (given == 0) return 0;
            control->done = control->done + static_cast<double>(given);
        }
    };
    job->value = [control](Napi::Env env) { return Napi::Number::New(env, control->done); };
    return startJob(info.Env(), std::move(job), control);
}

// kindCloseAsync(id)
Napi::Value closeKind(const Napi::CallbackInfo& info) {
    auto job = std::make_unique<Job>();
    const auto control = std::make_shared<JobControl>();
    const std::unique_ptr<Attachment> attachment = tableOf(info)->take(info[0].As<Napi::Number>());
    if (attachment == nullptr) return info.Env().Undefined();
    auto kind = std::make_shared<std::shared_ptr<Kind>>(attachment->kind);
    job->run = [kind](const char**) {
        // The last hold: gives the storage back.
        kind->reset();
        return 0;
    };
    return startJob(info.Env(), std::move(job), control);
}

}  // namespace

void exportKindJobs(Napi::Env env, Napi::Object exports, KindTable* table) {
    exports["kindCreateAsync"] = Napi::Function::New(env, create, "kindCreateAsync", table);
    exports["kindPrefaultAsync"] = Napi::Function::New(env, prefault, "kindPrefaultAsync", table);
    exports["kindPurgeAsync"] = Napi::Function::New(env, purge, "kindPurgeAsync", table);
    exports["kindCloseAsync"] = Napi::Function::New(env, closeKind, "kindCloseAsync", table);
}

}  // namespace daxkind
