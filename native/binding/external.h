// ArrayBuffers over memory that V8 does not own.
#pragma once

#include <napi.h>

#include <memory>

namespace daxkind {

// An ArrayBuffer over memory of `owner`. The owner lives until the ArrayBuffer's backing store is finalised, which is
// later than any script can reach it. Null with an exception pending where the runtime allows no such ArrayBuffer, and
// without one in a worker that is being terminated.
template <typename Owner>
napi_value externalArrayBuffer(napi_env env, void* data, size_t length, std::shared_ptr<Owner> owner) {
    auto* const hold = new std::shared_ptr<Owner>(std::move(owner));
    const auto finalize = [](napi_env, void*, void* hint) { delete static_cast<std::shared_ptr<Owner>*>(hint); };
    napi_value buffer = nullptr;
    const napi_status status = napi_create_external_arraybuffer(env, data, length, finalize, hold, &buffer);
    if (status == napi_ok) return buffer;
    if (status == napi_no_external_buffers_allowed) {
        delete hold;
        napi_throw_error(env, "ERR_DAXKIND_UNSUPPORTED_RUNTIME",
                         "This JavaScript runtime allows no ArrayBuffers over memory of an addon (Electron, for "
                         "example, has a memory cage); use Node");
        return nullptr;
    }
    bool pending = false;
    napi_is_exception_pending(env, &pending);
    // In a worker that is being terminated Node refuses before it has taken the finalizer.
    if (!pending && (status == napi_pending_exception || status == napi_cannot_run_js)) {
        delete hold;
        return nullptr;
    }
    // Node can refuse after it has taken the finalizer (when the length is above that of its Buffers). It still calls
    // the finalizer later.
    if (!pending) napi_throw_error(env, nullptr, "Node cannot make an ArrayBuffer over this memory");
    return nullptr;
}

}  // namespace daxkind
