// Kinds and blocks across threads: a thread joins a kind by its number, references know a block by its generation, and
// the heap's tables stand behind raw handles.
#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include "binding/errors.h"
#include "binding/exports.h"
#include "binding/external.h"
#include "binding/kind_call.h"
#include "binding/shown.h"
#include "binding/values.h"
#include "kind/registry.h"

namespace daxkind {

namespace {

// kindShare(id): [process, secret], the nonce of this process and the secret that kindAttach asks for
napi_value share(napi_env env, napi_callback_info info) {
    KindCall call(env, info, 1);
    Hold* const at = call.hold();
    if (at == nullptr) return nullptr;
    std::string secret;
    const int error = secretOf(*at->kind, &secret);
    if (error != 0) return throwSystemError(env, error, "getrandom");
    // If the tables cannot be made, native calls free raw handles.
    at->kind->heap.expectOthers();
    Napi::Array result = Napi::Array::New(env, 2);
    result[0u] = static_cast<double>(processNonce());
    result[1u] = secret;
    return result;
}

// kindAttach(nonce, number, secret): a KindHandle, or undefined if the process has no such kind
napi_value attach(napi_env env, napi_callback_info info) {
    KindCall call(env, info, 3);
    const uint64_t process = call.uint64("process");
    const uint32_t number = call.uint32("number");
    const std::string secret = call.string("secret");
    if (call.isRefused() || process != processNonce()) return nullptr;
    std::shared_ptr<Kind> kind = findKind(number, secret);
    if (kind == nullptr) return nullptr;
    return call.holds().attach(env, std::move(kind));
}

// kindReference(id, segment, offset, length, redZone, sort): the generation of a block that had none
napi_value reference(napi_env env, napi_callback_info info) {
    KindCall call(env, info, 6);
    Hold* const at = call.hold();
    const uint64_t place = call.place();
    const uint64_t length = call.uint64("length");
    const uint32_t redZone = call.uint32("redZone");
    const ReferenceSort sort = call.referenceSort();
    if (call.isRefused()) return nullptr;
    if (at == nullptr) return number(env, -EBADF);
    return number(env, static_cast<double>(at->kind->heap.reference(place, length, redZone, sort)));
}

// kindShareBlock(id, segment, offset, generation): 0, or -ESTALE
napi_value shareBlock(napi_env env, napi_callback_info info) {
    KindCall call(env, info, 4);
    Hold* const at = call.hold();
    const uint64_t place = call.place();
    const uint64_t generation = call.uint64("generation");
    if (call.isRefused()) return nullptr;
    return number(env, at == nullptr ? -EBADF : at->kind->heap.share(place, generation));
}

// kindRelength(id, segment, offset, generation, length): 0, or -ESTALE
napi_value relength(napi_env env, napi_callback_info info) {
    KindCall call(env, info, 5);
    Hold* const at = call.hold();
    const uint64_t place = call.place();
    const uint64_t generation = call.uint64("generation");
    const uint64_t length = call.uint64("length");
    if (call.isRefused()) return nullptr;
    return number(env, at == nullptr ? -EBADF : at->kind->heap.relength(place, generation, length));
}

// kindDereference(id, segment, offset, generation): [code, units, length, redZone], or undefined if it is stale
napi_value dereference(napi_env env, napi_callback_info info) {
    KindCall call(env, info, 4);
    Hold* const at = call.hold();
    const uint64_t place = call.place();
    const uint64_t generation = call.uint64("generation");
    if (call.isRefused()) return nullptr;
    Reference reference;
    uint32_t code;
    uint32_t units;
    if (at == nullptr || at->kind->heap.dereference(place, generation, &reference, &code, &units) != 0) return nullptr;
    napi_value result;
    napi_create_array_with_length(env, 4, &result);
    const double values[] = {static_cast<double>(code), static_cast<double>(units),
                             static_cast<double>(reference.length), static_cast<double>(reference.redZone)};
    for (uint32_t i = 0; i < 4; i++) napi_set_element(env, result, i, number(env, values[i]));
    return result;
}

// kindUnreference(id, segment, offset, generation): 0, or -ESTALE; the block stays
napi_value unreference(napi_env env, napi_callback_info info) {
    KindCall call(env, info, 4);
    Hold* const at = call.hold();
    const uint64_t place = call.place();
    const uint64_t generation = call.uint64("generation");
    if (call.isRefused()) return nullptr;
    return number(env, at == nullptr ? -EBADF : at->kind->heap.unreference(place, generation));
}

// kindQuarantine(id, segment, offset, generation, arrayBuffer): ends the reference for all who know the generation, and
// detaches the ArrayBuffer. A later kindFree frees the block, or the end of this thread does.
napi_value quarantine(napi_env env, napi_callback_info info) {
    KindCall call(env, info, 5);
    Hold* const at = call.hold();
    const uint64_t place = call.place();
    const uint64_t generation = call.uint64("generation");
    const napi_value buffer = call.arrayBuffer("buffer");
    if (call.isRefused()) return nullptr;
    if (at == nullptr) return number(env, -EBADF);
    uint64_t concealed;
    const int status = at->kind->heap.conceal(place, generation, &concealed);
    if (status == 0) {
        at->quarantine[place] = concealed;
        detachArrayBuffer(env, buffer);
    }
    return number(env, status);
}

// kindFreeReferenced(id, segment, offset, generation, arrayBuffer?): 0, and the ArrayBuffer is detached if there is
// one; or -ESTALE if the block was freed before. It is one call, because nothing may happen in between: a Buffer that
// is not detached would lie over somebody else's block.
napi_value freeReferenced(napi_env env, napi_callback_info info) {
    KindCall call(env, info, 5);
    Hold* const at = call.hold();
    const uint64_t place = call.place();
    const uint64_t generation = call.uint64("generation");
    const napi_value buffer = call.optionalArrayBuffer("buffer");
    if (call.isRefused()) return nullptr;
    if (at == nullptr) return number(env, -EBADF);
    const int status = at->kind->heap.freeReferenced(at->cache.get(), place, generation);
    if (status == 0 && buffer != nullptr) detachArrayBuffer(env, buffer);
    return number(env, status);
}

Napi::Value tableWindow(Napi::Env env, const std::shared_ptr<Kind>& kind, const RawTables::Table& table) {
    if (table.bytes == 0) return Napi::ArrayBuffer::New(env, 0);
    return Napi::Value(env, externalArrayBuffer<Heap>(env, table.data, table.bytes, kind->heapOwner));
}

// kindRawTables(id): { unitMap, descriptors, states, classes, slabs, owners, firstHandle, mostHandles }. The first six
// are the tables, at least as far as they are in use.
napi_value rawTables(napi_env env, napi_callback_info info) {
    KindCall call(env, info, 1);
    Hold* const at = call.hold();
    if (at == nullptr) return nullptr;
    RawTables tables;
    const int error = at->kind->heap.rawTables(&tables);
    if (error != 0) return throwSystemError(env, error, "mmap", at->kind->description.path.c_str());
    const uint64_t firstHandle = firstHandleOf(*at->kind, tables.mostHandles);
    if (firstHandle == 0) {
        napi_throw_error(env, "ERR_DAXKIND_TOO_MANY_HANDLES",
                         "The open kinds have used up the numbers for raw handles, because they are too many or too "
                         "large; close some");
        return nullptr;
    }
    Napi::Object result = Napi::Object::New(env);
    result["firstHandle"] = static_cast<double>(firstHandle);
    result["mostHandles"] = static_cast<double>(tables.mostHandles);
    result["unitMap"] = tableWindow(env, at->kind, tables.unitMap);
    result["descriptors"] = tableWindow(env, at->kind, tables.descriptors);
    result["states"] = tableWindow(env, at->kind, tables.states);
    result["classes"] = tableWindow(env, at->kind, tables.classes);
    result["slabs"] = tableWindow(env, at->kind, tables.slabs);
    result["owners"] = tableWindow(env, at->kind, tables.owners);
    return result;
}

// kindIsHandle(number): whether the number is one of those that a kind of this process, perhaps a closed one, had for
// its raw handles
napi_value isHandle(napi_env env, napi_callback_info info) {
    KindCall call(env, info, 1);
    // A script may pass anything for a handle.
    const double number = call.anyNumber().value_or(0);
    const bool canBe = number > 0 && number <= static_cast<double>(kLargestExactInteger);
    return boolean(env, canBe && isHandleOfSomeKind(static_cast<uint64_t>(number)));
}

}  // namespace

void exportKindSharing(Napi::Env env, Napi::Object exports, HoldTable* holds) {
    exportFunctions(env, exports,
                    {{"kindShare", share},
                     {"kindAttach", attach},
                     {"kindReference", reference},
                     {"kindShareBlock", shareBlock},
                     {"kindRelength", relength},
                     {"kindDereference", dereference},
                     {"kindUnreference", unreference},
                     {"kindQuarantine", quarantine},
                     {"kindFreeReferenced", freeReferenced},
                     {"kindIsHandle", isHandle},
                     {"kindRawTables", rawTables}},
                    holds);
}

}  // namespace daxkind
