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
#include "binding/kind_making.h"
#include "binding/kind_table.h"
#include "binding/mapping.h"
#include "binding/values.h"
#include "region/fixed.h"

namespace daxkind {

Napi::Value attachKind(Napi::Env env, KindTable* table, std::shared_ptr<Kind> kind) {
    auto attachment = std::make_unique<Attachment>();
    auto cache = std::make_shared<ThreadCache>();
    int error = cache->open();
    if (error != 0) {
        throwSystemError(env, error, "mmap", kind->description.path.c_str());
        return env.Undefined();
    }
    const napi_value words =
        externalArrayBuffer<ThreadCache>(env, cache->words(), kCacheWords * sizeof(int32_t), cache);
    if (words == nullptr) return env.Undefined();
    const KindDescription& description = kind->description;
    Napi::Object handle = Napi::Object::New(env);
    handle["number"] = kind->number;
    handle["cache"] = Napi::Value(env, words);
    handle["capacity"] = static_cast<double>(kind->region->capacity());
    handle["unitShift"] = kind->heap.unitShift();
    handle["type"] = description.type;
    handle["path"] = description.path;
    handle["sync"] = description.sync;
    handle["debug"] = description.debug;
    handle["dax"] = optionalBoolean(env, description.dax);
    handle["deviceMajor"] = description.deviceMajor;
    handle["deviceMinor"] = description.deviceMinor;

    error = kind->heap.attach(cache.get());
    if (error == -ENOENT) return env.Undefined();
    if (error != 0) {
        throwSystemError(env, error, "mmap", description.path.c_str());
        return env.Undefined();
    }
    handle["owner"] = cache->owner;
    attachment->blocks = std::make_shared<OwnedBlocks>(kind, cache->owner);
    attachment->kind = std::move(kind);
    attachment->cache = std::move(cache);
    table->listen(env, attachment.get());
    handle["id"] = static_cast<double>(table->add(std::move(attachment)));
    return handle;
}

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
    return attachKind(env, static_cast<KindTable*>(info.Data()), std::move(kind));
}

// kindCreateFixed(mappingId, path, debug)
Napi::Value createFixed(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const auto id = takeUint32(info, 0, "id");
    if (!id) return env.Undefined();
    const std::shared_ptr<MappedRange> range = AddonState::of(env).mappings->find(*id);
    if (range == nullptr || range->released) return invalidArgType(env, "mapping", "a mapping that is not unmapped");
    const Kind::AtOnce atOnce;
    const std::shared_ptr<Kind> kind = Kind::make();
    kind->region =
        FixedRegion::open(range->address, range->file, std::shared_ptr<std::atomic<int>>(range, &range->users));
    if (kind->region == nullptr) {
        throwCoded(env,
                   Napi::Error::New(env,
                                    "Invalid state: a fixed kind is open over bytes of the same file, by this mapping "
                                    "or by another one; close it first"),
                   "ERR_INVALID_STATE");
        return env.Undefined();
    }
    const int error = kind->heap.open(kind->region.get(), HeapOptions{});
    const std::string path = info[1].As<Napi::String>();
    if (error != 0) {
        throwSystemError(env, error, "mmap", path.c_str());
        return env.Undefined();
    }
    kind->description.type = "fixed";
    kind->description.path = path;
    kind->description.debug = info[2].As<Napi::Boolean>();
    registerKind(kind);
    return attachKind(env, static_cast<KindTable*>(info.Data()), kind);
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
    std::unique_ptr<Attachment> hold = call.table->take(call.id());
    napi_value wasOpen;
    napi_get_boolean(env, hold != nullptr, &wasOpen);
    if (hold != nullptr) OwnedBlocks::endWith(std::move(hold));
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

void exportKindMaking(Napi::Env env, Napi::Object exports, KindTable* table) {
    exports["kindCreate"] = Napi::Function::New(env, create, "kindCreate", table);
    exports["kindCreateFixed"] = Napi::Function::New(env, createFixed, "kindCreateFixed", table);
    addFunction(env, exports, "kindClose", closeKind, table);
    addFunction(env, exports, "kindForget", forget, table);
}

Napi::Object exportKind(Napi::Env env, Napi::Object exports) {
    auto* const table = new KindTable();
    // Runs when the environment ends, not at process.exit(): what then remains, the kernel takes back.
    napi_add_env_cleanup_hook(env, [](void* data) { delete static_cast<KindTable*>(data); }, table);
    exports["kindLayout"] = kindLayout(env);
    exportKindMaking(env, exports, table);
    exportKindBlocks(env, exports, table);
    exportKindSharing(env, exports, table);
    exportKindStatistics(env, exports, table);
    exportKindJobs(env, exports, table);
    return exports;
}

}  // namespace daxkind
