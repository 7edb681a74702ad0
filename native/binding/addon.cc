// The export table. The module may be loaded by any number of environments of a process, one after another or at once;
// each gets an AddonState of its own.
#include "binding/addon.h"

#include "binding/arguments.h"
#include "binding/kind.h"
#include "binding/mapping.h"
#include "binding/shown.h"

namespace daxkind {

namespace {

/// init({ systemError, areMarksKeys }): registers the JavaScript factory that makes the errors of failed system calls;
/// and whether markAsUntransferable keeps everybody from detaching an ArrayBuffer.
Napi::Value init(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const Napi::Value options = info[0];
    if (!options.IsObject()) return invalidArgType(env, "options", "an object");
    const Napi::Value systemError = options.As<Napi::Object>().Get("systemError");
    if (env.IsExceptionPending()) return env.Undefined();
    if (!systemError.IsFunction()) return invalidArgType(env, "options.systemError", "a function");
    AddonState::of(env).systemError = Napi::Persistent(systemError.As<Napi::Function>());
    AddonState::of(env).shown->isWatching = options.As<Napi::Object>().Get("areMarksKeys").ToBoolean();
    return env.Undefined();
}

Napi::Object exportAll(Napi::Env env, Napi::Object exports) {
    auto* state = new AddonState();
    state->mappings = std::make_shared<MappingTable>();
    state->shown = std::make_shared<ShownBuffers>();
    env.SetInstanceData(state);
    exports.Set("init", Napi::Function::New(env, init, "init"));
    exportSyscalls(env, exports);
    exportFlags(env, exports);
    exportMapping(env, exports);
    exportShown(env, exports);
    exportPersist(env, exports);
    exportKind(env, exports);
    return exports;
}

}  // namespace

NODE_API_MODULE(daxkind, exportAll)

}  // namespace daxkind
