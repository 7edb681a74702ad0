// Kinds and blocks across threads: joining a kind by its number, references to blocks by their generation, and the
// tables behind raw handles.
#include <cerrno>

#include "binding/arguments.h"
#include "binding/external.h"
#include "binding/kind_table.h"
#include "kind/registry.h"

namespace daxkind {

namespace {

// kindShare(id): [process, secret]: this process's nonce, and what kindAttach asks for
Napi::Value share(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    Hold* const at = static_cast<HoldTable*>(info.Data())->find(info[0].As<Napi::Number>().Int64Value());
    if (at == nullptr) return env.Undefined();
    std::string secret;
    const int error = secretOf(*at->kind, &secret);
    if (error != 0) {
        throwSystemError(env, error, "getrandom");
        return env.Undefined();
    }
    // Without its tables raw handles are freed by native calls.
    at->kind->heap.expectOthers();
    Napi::Array result = Napi::Array::New(env, 2);
    result[0u] = static_cast<double>(processNonce());
    result[1u] = secret;
    return result;
}

// kindAttach(nonce, number, secret): a KindHandle, or undefined if the process has no such kind
Napi::Value attach(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const auto number = takeUint32(info, 1, "number");
    if (!number) return env.Undefined();
    if (info[0].As<Napi::Number>().DoubleValue() != static_cast<double>(processNonce())) return env.Undefined();
    std::shared_ptr<Kind> kind = findKind(*number, info[2].As<Napi::String>());
    if (kind == nullptr) return env.Undefined();
    auto* const table = static_cast<HoldTable*>(info.Data());
    return table->attach(env, std::move(kind));
}

// kindReference(id, segment, offset, length, zone, sort): the generation of a block that had none
napi_value reference(napi_env env, napi_callback_info info) {
    const Call<5> call(env, info);
    Hold* const at = call.hold();
    if (at == nullptr) return number(env, -EBADF);
    const uint64_t generation = at->kind->heap.reference(call.blockOffset(0), call.uint64(2), call.uint32(3),
                                                         static_cast<ReferenceSort>(call.uint32(4)));
    return number(env, static_cast<double>(generation));
}

// kindShareBlock(id, segment, offset, generation): 0, or -ESTALE
napi_value shareBlock(napi_env env, napi_callback_info info) {
    const Call<3> call(env, info);
    Hold* const at = call.hold();
    return number(env, at == nullptr ? -EBADF : at->kind->heap.share(call.blockOffset(0), call.uint64(2)));
}

// kindRelength(id, segment, offset, generation, length): 0, or -ESTALE
napi_value relength(napi_env env, napi_callback_info info) {
    const Call<4> call(env, info);
    Hold* const at = call.hold();
    if (at == nullptr) return number(env, -EBADF);
    return number(env, at->kind->heap.relength(call.blockOffset(0), call.uint64(2), call.uint64(3)));
}

// kindDereference(id, segment, offset, generation): [code, units, length, zone], or undefined if it is stale
napi_value dereference(napi_env env, napi_callback_info info) {
    const Call<3> call(env, info);
    Hold* const at = call.hold();
    Reference reference;
    uint32_t code;
    uint32_t units;
    if (at == nullptr ||
        at->kind->heap.dereference(call.blockOffset(0), call.uint64(2), &reference, &code, &units) != 0) {
        return nullptr;
    }
    napi_value result;
    napi_create_array_with_length(env, 4, &result);
    const double values[] = {static_cast<double>(code), static_cast<double>(units),
                             static_cast<double>(reference.length), static_cast<double>(reference.zone)};
    for (uint32_t i = 0; i < 4; i++) napi_set_element(env, result, i, number(env, values[i]));
    return result;
}

// kindUnreference(id, segment, offset, generation): 0, or -ESTALE; the block itself stays
napi_value unreference(napi_env env, napi_callback_info info) {
    const Call<3> call(env, info);
    Hold* const at = call.hold();
    return number(env, at == nullptr ? -EBADF : at->kind->heap.unreference(call.blockOffset(0), call.uint64(2)));
}

// kindQuarantine(id, segment, offset, generation, arrayBuffer): as kindUnreference for all that know the generation,
// and the ArrayBuffer is detached; kindFree is called for the block later on, or it is freed when this thread ends
napi_value quarantine(napi_env env, napi_callback_info info) {
    const Call<4> call(env, info);
    Hold* const at = call.hold();
    if (at == nullptr) return number(env, -EBADF);
    uint64_t concealed;
    const int status = at->kind->heap.conceal(call.blockOffset(0), call.uint64(2), &concealed);
    if (status == 0) {
        at->quarantine[call.blockOffset(0)] = concealed;
        call.detach(3);
    }
    return number(env, status);
}

// kindFreeReferenced(id, segment, offset, generation, arrayBuffer): 0, and the ArrayBuffer is detached if there is one;
// or -ESTALE if that was done already. One call, because nothing may come in between: a Buffer that is not detached
// would be over memory that is another block's.
napi_value freeReferenced(napi_env env, napi_callback_info info) {
    const Call<4> call(env, info);
    Hold* const at = call.hold();
    if (at == nullptr) return number(env, -EBADF);
    const int status = at->kind->heap.freeReferenced(at->cache.get(), call.blockOffset(0), call.uint64(2));
    if (status == 0) call.detach(3);
    return number(env, status);
}

Napi::Value tableWindow(Napi::Env env, const std::shared_ptr<Kind>& kind, const RawTables::Table& table) {
    if (table.bytes == 0) return Napi::ArrayBuffer::New(env, 0);
    return Napi::Value(env, externalArrayBuffer<Heap>(env, table.data, table.bytes, kind->heapOwner));
}

// kindRawTables(id): { unitMap, descriptors, stateSlabs, slotStates, runStates, slotOwners, runOwners }, as much of
// them as is in use, and more; and { firstHandle, mostHandles }
Napi::Value rawTables(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    Hold* const at = static_cast<HoldTable*>(info.Data())->find(info[0].As<Napi::Number>().Int64Value());
    RawTables tables;
    if (at == nullptr) return env.Undefined();
    const int error = at->kind->heap.rawTables(&tables);
    if (error != 0) {
        throwSystemError(env, error, "mmap", at->kind->description.path.c_str());
        return env.Undefined();
    }
    const uint64_t firstHandle = firstHandleOf(*at->kind, tables.mostHandles);
    if (firstHandle == 0) {
        throwCoded(env,
                   Napi::Error::New(env,
                                    "The numbers for raw handles are used up by the kinds that are open: too many, "
                                    "or too large; close some"),
                   "ERR_DAXKIND_TOO_MANY_HANDLES");
        return env.Undefined();
    }
    Napi::Object result = Napi::Object::New(env);
    result["firstHandle"] = static_cast<double>(firstHandle);
    result["mostHandles"] = static_cast<double>(tables.mostHandles);
    result["unitMap"] = tableWindow(env, at->kind, tables.unitMap);
    result["descriptors"] = tableWindow(env, at->kind, tables.descriptors);
    result["stateSlabs"] = tableWindow(env, at->kind, tables.stateSlabs);
    result["slotStates"] = tableWindow(env, at->kind, tables.slotStates);
    result["runStates"] = tableWindow(env, at->kind, tables.runStates);
    result["slotOwners"] = tableWindow(env, at->kind, tables.slotOwners);
    result["runOwners"] = tableWindow(env, at->kind, tables.runOwners);
    return result;
}

// kindIsHandle(number): whether it is in what a kind of this process, maybe a closed one, has for its raw handles
napi_value isHandle(napi_env env, napi_callback_info info) {
    const Call<0> call(env, info);
    double number = 0;
    napi_get_value_double(env, call.values[0], &number);
    napi_value result;
    napi_get_boolean(
        env, number > 0 && number <= largestExactInteger && isHandleOfSomeKind(static_cast<uint64_t>(number)), &result);
    return result;
}

}  // namespace

void exportKindSharing(Napi::Env env, Napi::Object exports, HoldTable* table) {
    exports["kindShare"] = Napi::Function::New(env, share, "kindShare", table);
    exports["kindAttach"] = Napi::Function::New(env, attach, "kindAttach", table);
    addFunction(env, exports, "kindReference", reference, table);
    addFunction(env, exports, "kindShareBlock", shareBlock, table);
    addFunction(env, exports, "kindRelength", relength, table);
    addFunction(env, exports, "kindDereference", dereference, table);
    addFunction(env, exports, "kindUnreference", unreference, table);
    addFunction(env, exports, "kindQuarantine", quarantine, table);
    addFunction(env, exports, "kindFreeReferenced", freeReferenced, table);
    addFunction(env, exports, "kindIsHandle", isHandle, table);
    exports["kindRawTables"] = Napi::Function::New(env, rawTables, "kindRawTables", table);
}

}  // namespace daxkind
