// See shown.h.
#include "binding/shown.h"

#include <dlfcn.h>

#include "binding/addon.h"
#include "binding/call.h"
#include "binding/exports.h"
#include "binding/external.h"
#include "binding/values.h"

namespace daxkind {

namespace {

// void v8::ArrayBuffer::SetDetachKey(v8::Local<v8::Value>). A Local is one pointer, and a napi_value is a Local.
//
// From Node 24 on, markAsUntransferable of node:worker_threads sets a key that nobody else has, and nobody can detach
// without the key. napi_detach_arraybuffer takes a failure for impossible and aborts the process. So does Node itself
// when it detaches external ArrayBuffers at the end of an environment. Node-API has no call that takes a key away, but
// Node 20 to 26 all export V8's own function.
using SetDetachKey = void (*)(napi_value self, napi_value key);

SetDetachKey findSetDetachKey() {
    static const auto found =
        reinterpret_cast<SetDetachKey>(dlsym(RTLD_DEFAULT, "_ZN2v811ArrayBuffer12SetDetachKeyENS_5LocalINS_5ValueEEE"));
    return found;
}

// Takes the key away, so that everybody can detach the ArrayBuffer again.
void clearDetachKey(napi_env env, napi_value arrayBuffer) {
    const SetDetachKey set = findSetDetachKey();
    napi_value undefined;
    if (set != nullptr && napi_get_undefined(env, &undefined) == napi_ok) set(arrayBuffer, undefined);
}

}  // namespace

// What an ArrayBuffer keeps alive until it is garbage.
struct ShownBuffers::Pin {
    std::shared_ptr<ShownBuffers> buffers;
    std::shared_ptr<void> owner;
    napi_ref object = nullptr;
};

// An external ArrayBuffer that nobody sees. At the end of an environment Node detaches all external ArrayBuffers, the
// newest first, and calls the finalizer of each at once. So the finalizer of the newest one runs before the others are
// detached, even where no script runs any more (worker.terminate()).
struct ShownBuffers::EndWatch {
    std::shared_ptr<ShownBuffers> buffers;

    static void renew(napi_env env, const std::shared_ptr<ShownBuffers>& buffers) {
        static char unused;
        auto* const watch = new EndWatch{buffers};
        napi_value object = nullptr;
        napi_ref reference = nullptr;
        if (napi_create_external_arraybuffer(env, &unused, sizeof unused, finalize, watch, &object) != napi_ok) {
            delete watch;
            return;
        }
        if (napi_create_reference(env, object, 1, &reference) != napi_ok) return;
        if (buffers->watchReference != nullptr) napi_delete_reference(env, buffers->watchReference);
        buffers->watchReference = reference;
        buffers->watch = watch;
    }

    static void finalize(napi_env env, void*, void* hint) {
        const std::unique_ptr<EndWatch> self(static_cast<EndWatch*>(hint));
        // If a newer watch has taken its place, this one is only garbage.
        if (self->buffers->watch != self.get()) return;
        napi_delete_reference(env, self->buffers->watchReference);
        for (const Pin* pin : self->buffers->pins) {
            napi_value object = nullptr;
            const napi_status status = napi_get_reference_value(env, pin->object, &object);
            if (status == napi_ok && object != nullptr) clearDetachKey(env, object);
        }
    }
};

namespace {

void unpin(napi_env env, void* data, void*) {
    const std::unique_ptr<ShownBuffers::Pin> pin(static_cast<ShownBuffers::Pin*>(data));
    pin->buffers->pins.erase(pin.get());
    napi_delete_reference(env, pin->object);
}

// detachArrayBuffer(arrayBuffer)
napi_value detach(napi_env env, napi_callback_info info) {
    Call call(env, info, 1);
    const napi_value buffer = call.arrayBuffer("buffer");
    if (!call.isRefused()) detachArrayBuffer(env, buffer);
    return nullptr;
}

}  // namespace

napi_value shownArrayBuffer(napi_env env, void* data, size_t length, std::shared_ptr<void> owner) {
    const napi_value buffer = externalArrayBuffer<void>(env, data, length, owner);
    if (buffer == nullptr) return nullptr;
    const std::shared_ptr<ShownBuffers>& buffers = AddonState::of(env).shown;
    auto pin = std::make_unique<ShownBuffers::Pin>();
    pin->buffers = buffers;
    pin->owner = std::move(owner);
    if (napi_add_finalizer(env, buffer, pin.get(), unpin, nullptr, &pin->object) != napi_ok) {
        napi_throw_error(env, nullptr, "Node cannot tell when an ArrayBuffer over this memory is garbage");
        return nullptr;
    }
    buffers->pins.insert(pin.release());
    if (buffers->isWatching) ShownBuffers::EndWatch::renew(env, buffers);
    return buffer;
}

void detachArrayBuffer(napi_env env, napi_value buffer) {
    clearDetachKey(env, buffer);
    napi_detach_arraybuffer(env, buffer);
}

void exportShown(Napi::Env env, Napi::Object exports) {
    exportFunctions(env, exports, {{"detachArrayBuffer", detach}});
    exports.Set("detachesMarked", Napi::Boolean::New(env, findSetDetachKey() != nullptr));
}

}  // namespace daxkind
