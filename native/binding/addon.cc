// The export table. Any number of environments of a process may load the module, one after another or at once. Each
// gets an AddonState of its own.
#include "binding/addon.h"

#include "binding/cache_hold.h"
#include "binding/call.h"
#include "binding/errors.h"
#include "binding/exports.h"
#include "binding/hold.h"
#include "binding/losses.h"
#include "binding/mapping.h"
#include "binding/shown.h"
#include "binding/values.h"

namespace daxkind {

AddonState::~AddonState() {
    if (losses != nullptr) losses->stop();
}

namespace {

// init({ systemError, areMarksKeys }): registers the JavaScript factory that makes the errors of failed system calls,
// and whether markAsUntransferable keeps everybody from detaching an ArrayBuffer.
napi_value init(napi_env env, napi_callback_info info) {
    Call call(env, info, 1);
    const Napi::Object options(env, call.object("options"));
    if (call.isRefused()) return nullptr;
    const Napi::Value systemError = options.Get("systemError");
    if (Napi::Env(env).IsExceptionPending()) return nullptr;
    if (!systemError.IsFunction()) return throwInvalidArgType(env, "options.systemError", "a function");
    const Napi::Value areMarksKeys = options.Get("areMarksKeys");
    if (Napi::Env(env).IsExceptionPending()) return nullptr;
    if (!areMarksKeys.IsBoolean()) return throwInvalidArgType(env, "options.areMarksKeys", "of type boolean");
    AddonState::of(env).systemError = Napi::Persistent(systemError.As<Napi::Function>());
    AddonState::of(env).shown->isWatching = areMarksKeys.As<Napi::Boolean>();
    return nullptr;
}

Napi::Object exportAll(Napi::Env env, Napi::Object exports) {
    auto* state = new AddonState();
    state->mappings = std::make_shared<MappingTable>();
    state->shown = std::make_shared<ShownBuffers>();
    env.SetInstanceData(state);
    exportFunctions(env, exports, {{"init", init}});
    exportSyscalls(env, exports);
    exportFlags(env, exports);
    exportMapping(env, exports);
    exportShown(env, exports);
    exportGuard(env, exports);
    exportLosses(env, exports);
    exportMedia(env, exports);
    exportPersist(env, exports);
    HoldTable* const holds = HoldTable::create(env);
    exportKindLayout(env, exports);
    exportKindLifetime(env, exports, holds);
    exportKindBlocks(env, exports, holds);
    exportKindSharing(env, exports, holds);
    exportKindStatistics(env, exports, holds);
    exportKindJobs(env, exports, holds);
    // The end of the environment destroys it before the holds on kinds.
    exportCache(env, exports, CacheTable::create(env, holds));
    return exports;
}

}  // namespace

NODE_API_MODULE(daxkind, exportAll)

}  // namespace daxkind
