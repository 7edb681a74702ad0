// Makes kinds and lets go of them on the calling thread. kind_jobs.cc does both on other threads.
#include <atomic>
#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include "binding/addon.h"
#include "binding/errors.h"
#include "binding/exports.h"
#include "binding/kind_call.h"
#include "binding/mapping.h"
#include "binding/values.h"
#include "kind/making.h"
#include "kind/registry.h"

namespace daxkind {

namespace {

// Makes all of a kind before it returns.
napi_value make(napi_env env, KindCall& call, std::unique_ptr<Making> making) {
    const Kind::AtOnce atOnce;
    const char* failedCall = "";
    JobControl control;
    int error;
    do error = making->step(control, &failedCall);
    while (error == kMore);
    if (error != 0) return throwSystemError(env, error, failedCall, making->path().c_str());
    registerKind(making->kind());
    return call.holds().attach(env, making->kind());
}

// kindCreateFixed(mappingId, path, debug)
napi_value createFixed(napi_env env, napi_callback_info info) {
    KindCall call(env, info, 3);
    const uint32_t id = call.uint32("id");
    const std::string path = call.path("path");
    const bool debug = call.boolean("debug");
    if (call.isRefused()) return nullptr;
    const std::shared_ptr<MappedRange> range = AddonState::of(env).mappings->find(id);
    if (range == nullptr || range->released) {
        return throwInvalidArgType(env, "mapping", "a mapping that is still mapped");
    }
    const Kind::AtOnce atOnce;
    FixedKindRequest request;
    request.base = range->address;
    request.file = range->file;
    request.watch = &range->watch;
    request.causeOf = [at = range.get()](const guard::Part& part) { return at->causesOf({part}).front(); };
    request.knownBad = range->knownBad;
    request.users = std::shared_ptr<std::atomic<int>>(range, &range->users);
    request.path = path;
    request.debug = debug;
    const char* failedCall = "";
    std::shared_ptr<Kind> kind;
    const int error = makeFixedKind(request, &kind, &failedCall);
    if (error == -EBUSY) {
        return throwInvalidState(env,
                                 "a fixed kind is open over bytes of the same file, in this mapping or in another one; "
                                 "close that kind first");
    }
    if (error != 0) return throwSystemError(env, error, failedCall, path.c_str());
    registerKind(kind);
    return call.holds().attach(env, std::move(kind));
}

// kindClose(id)
napi_value closeKind(napi_env env, napi_callback_info info) {
    KindCall call(env, info, 1);
    const int64_t id = call.id();
    if (call.isRefused()) return nullptr;
    const Kind::AtOnce atOnce;
    call.holds().take(id);
    return nullptr;
}

// kindForget(id): as kindClose, but when all ArrayBuffers over the kind's memory are garbage. True if the kind was not
// closed before.
napi_value forget(napi_env env, napi_callback_info info) {
    KindCall call(env, info, 1);
    const int64_t id = call.id();
    if (call.isRefused()) return nullptr;
    std::unique_ptr<Hold> hold = call.holds().take(id);
    if (hold == nullptr) return boolean(env, false);
    Hold::endWithBlocks(std::move(hold));
    return boolean(env, true);
}

}  // namespace

void exportKindLifetime(Napi::Env env, Napi::Object exports, HoldTable* holds) {
    exportFunctions(env, exports,
                    {{"kindCreate", makePmem<make>},
                     {"kindCreateDevice", makeDevice<make>},
                     {"kindCreateNode", makeNode<make>},
                     {"kindCreateFixed", createFixed},
                     {"kindClose", closeKind},
                     {"kindForget", forget}},
                    holds);
}

}  // namespace daxkind
