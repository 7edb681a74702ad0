// The exports for the guard against SIGBUS; see guard/watch.h.
#include "binding/call.h"
#include "binding/exports.h"
#include "binding/values.h"
#include "guard/handler.h"
#include "guard/watch.h"

namespace daxkind {

namespace {

// armGuard()
napi_value armGuard(napi_env, napi_callback_info) {
    guard::arm();
    return nullptr;
}

// isLost(view) -> boolean
napi_value isLost(napi_env env, napi_callback_info info) {
    Call call(env, info, 1);
    const ByteView view = call.bytes("view");
    return call.isRefused() ? nullptr : boolean(env, guard::isLost(view.data, view.length));
}

}  // namespace

void exportGuard(Napi::Env env, Napi::Object exports) {
    exportFunctions(env, exports, {{"armGuard", armGuard}, {"isLost", isLost}});
}

}  // namespace daxkind
