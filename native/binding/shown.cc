// See shown.h.
#include "binding/shown.h"

#include "binding/external.h"

namespace daxkind {

namespace {

// What an ArrayBuffer keeps alive until it is garbage.
struct Pin {
    std::shared_ptr<void> owner;
};

void unpin(napi_env, void* data, void*) {
    delete static_cast<Pin*>(data);
}

}  // namespace

napi_value shownArrayBuffer(napi_env env, void* data, size_t length, std::shared_ptr<void> owner) {
    const napi_value buffer = externalArrayBuffer<void>(env, data, length, owner);
    if (buffer == nullptr) return nullptr;
    auto pin = std::make_unique<Pin>();
    pin->owner = std::move(owner);
    if (napi_add_finalizer(env, buffer, pin.get(), unpin, nullptr, nullptr) != napi_ok) {
        napi_throw_error(env, nullptr, "Node cannot tell when an ArrayBuffer over this memory is garbage");
        return nullptr;
    }
    pin.release();
    return buffer;
}

}  // namespace daxkind
