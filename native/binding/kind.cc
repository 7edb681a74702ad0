// Making kinds, joining them and letting them go.
#include "binding/kind.h"

#include <cerrno>
#include <memory>
#include <string>

#include "binding/addon.h"
#include "binding/arguments.h"
#include "binding/errors.h"
#include "binding/external.h"
#include "binding/job.h"
#include "binding/kind_table.h"
#include "binding/mapping.h"
#include "binding/values.h"
#include "kind/making.h"
#include "kind/registry.h"

namespace daxkind {

namespace {

// kindCreate(directory, maxSize, conservative, sync, prefault, debug)
Napi::Value create(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const Kind::AtOnce atOnce;
    const PmemKindRequest request = takeKindRequest(info);
    const char* failedCall = "";
    std::shared_ptr<Kind> kind;
    int error = makePmemKind(request, &kind, &failedCall);
    if (error == 0 && request.prefault) {
        Prefault prefault(kind);
        JobControl control;
        do error = prefault.step(control, &failedCall);
        while (error == kMore);
    }
    if (error != 0) {
        throwSystemError(env, error, failedCall, request.directory.c_str());
        return env.Undefined();
    }
    registerKind(kind);
    return static_cast<HoldTable*>(info.Data())->attach(env, std::move(kind));
}

// kindCreateFixed(mappingId, path, debug)
Napi::Value createFixed(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const auto id = takeUint32(info, 0, "id");
    if (!id) return env.Undefined();
    const std::shared_ptr<MappedRange> range = AddonState::of(env).mappings->find(*id);
    if (range == nullptr || range->released) return invalidArgType(env, "mapping", "a mapping that is not unmapped");
    const Kind::AtOnce atOnce;
    FixedKindRequest request;
    request.base = range->address;
    request.file = range->file;
    request.users = std::shared_ptr<std::atomic<int>>(range, &range->users);
    request.path = info[1].As<Napi::String>();
    request.debug = info[2].As<Napi::Boolean>();
    const std::string path = request.path;
    const char* failedCall = "";
    std::shared_ptr<Kind> kind;
    const int error = makeFixedKind(std::move(request), &kind, &failedCall);
    if (error == -EBUSY) {
        throwCoded(env,
                   Napi::Error::New(env,
                                    "Invalid state: a fixed kind is open over bytes of the same file, by this mapping "
                                    "or by another one; close it first"),
                   "ERR_INVALID_STATE");
        return env.Undefined();
    }
    if (error != 0) {
        throwSystemError(env, error, failedCall, path.c_str());
        return env.Undefined();
    }
    registerKind(kind);
    return static_cast<HoldTable*>(info.Data())->attach(env, kind);
}

// kindClose(id)
napi_value closeKind(napi_env env, napi_callback_info info) {
    const Call<0> call(env, info);
    const Kind::AtOnce atOnce;
    call.table->take(call.id());
    return nullptr;
}

// kindForget(id): as kindClose, once all ArrayBuffers over the kind's memory are garbage; whether it was not closed
napi_value forget(napi_env env, napi_callback_info info) {
    const Call<0> call(env, info);
    std::unique_ptr<Hold> hold = call.table->take(call.id());
    napi_value wasOpen;
    napi_get_boolean(env, hold != nullptr, &wasOpen);
    if (hold != nullptr) Hold::endWithBlocks(std::move(hold));
    return wasOpen;
}

}  // namespace

PmemKindRequest takeKindRequest(const Napi::CallbackInfo& info) {
    PmemKindRequest request;
    request.directory = info[0].As<Napi::String>();
    request.maxSize = static_cast<uint64_t>(info[1].As<Napi::Number>().DoubleValue());
    request.conservative = info[2].As<Napi::Boolean>();
    request.sync = info[3].As<Napi::Boolean>();
    request.prefault = info[4].As<Napi::Boolean>();
    request.debug = info[5].As<Napi::Boolean>();
    return request;
}

void exportKindMaking(Napi::Env env, Napi::Object exports, HoldTable* table) {
    exports["kindCreate"] = Napi::Function::New(env, create, "kindCreate", table);
    exports["kindCreateFixed"] = Napi::Function::New(env, createFixed, "kindCreateFixed", table);
    addFunction(env, exports, "kindClose", closeKind, table);
    addFunction(env, exports, "kindForget", forget, table);
}

Napi::Object exportKind(Napi::Env env, Napi::Object exports) {
    HoldTable* const table = HoldTable::create(env);
    exports["kindLayout"] = kindLayout(env);
    exportKindMaking(env, exports, table);
    exportKindBlocks(env, exports, table);
    exportKindSharing(env, exports, table);
    exportKindStatistics(env, exports, table);
    exportKindJobs(env, exports, table);
    return exports;
}

}  // namespace daxkind
