// The exports for the guard against SIGBUS; see guard/handler.h.
#include "binding/exports.h"
#include "binding/values.h"
#include "guard/handler.h"

namespace daxkind {

namespace {

// armGuard()
napi_value armGuard(napi_env, napi_callback_info) {
    guard::arm();
    return nullptr;
}

// isGuardArmed() -> boolean
napi_value isGuardArmed(napi_env env, napi_callback_info) {
    return boolean(env, guard::isArmed());
}

}  // namespace

void exportGuard(Napi::Env env, Napi::Object exports) {
    exportFunctions(env, exports, {{"armGuard", armGuard}, {"isGuardArmed", isGuardArmed}});
}

}  // namespace daxkind
