// What a kind says of itself, and what gives storage back on this thread.
#include <algorithm>

#include "binding/kind_table.h"

namespace daxkind {

namespace {

// kindStats(id)
Napi::Value stats(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    Hold* const at = static_cast<HoldTable*>(info.Data())->find(info[0].As<Napi::Number>().Int64Value());
    if (at == nullptr) return env.Undefined();
    const HeapStats stats = at->kind->heap.stats();
    const int64_t resident = at->kind->region->resident();
    Napi::Object result = Napi::Object::New(env);
    const auto set = [&result](const char* name, uint64_t value) { result[name] = static_cast<double>(value); };
    set("capacity", stats.capacity);
    set("resident", resident < 0 ? stats.committed : static_cast<uint64_t>(resident));
    set("committed", stats.committed);
    set("active", stats.active);
    set("allocated", stats.allocated);
    set("blocks", stats.blocks);
    set("cached", stats.cached);
    set("free", stats.free);
    set("largestFree", stats.largestFree);
    set("highWater", stats.highWater);
    return result;
}

// kindClassUse(id, isWithoutCollected): for each class, and then for all runs: slabs, slots, blocks, bytes,
// cachedBlocks, cachedBytes
Napi::Value classUse(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    Hold* const at = static_cast<HoldTable*>(info.Data())->find(info[0].As<Napi::Number>().Int64Value());
    if (at == nullptr) return env.Undefined();
    constexpr uint32_t kColumns = 6;
    constexpr uint32_t kRows = kSlabClasses + 1;
    Napi::Float64Array table = Napi::Float64Array::New(env, kRows * kColumns);
    // Nothing can be made in a worker that is being terminated.
    if (table.IsEmpty()) return env.Undefined();
    ClassUse uses[kRows];
    for (uint32_t row = 0; row < kRows; row++) uses[row] = at->kind->heap.classUse(row < kSlabClasses ? row : kRunCode);
    if (info[1].As<Napi::Boolean>()) at->kind->heap.subtractCollected(uses);
    for (uint32_t row = 0; row < kRows; row++) {
        const ClassUse& use = uses[row];
        const uint64_t values[kColumns] = {use.slabs, use.slots,        use.blocks,
                                           use.bytes, use.cachedBlocks, use.cachedBytes};
        for (uint32_t column = 0; column < kColumns; column++) {
            table[row * kColumns + column] = static_cast<double>(values[column]);
        }
    }
    return table;
}

// kindLeave(id): whether this hold on the kind is the last, for all others have left, too
napi_value leave(napi_env env, napi_callback_info info) {
    const Call<0> call(env, info);
    Hold* const at = call.hold();
    napi_value isLast;
    if (at != nullptr) at->freePending();
    napi_get_boolean(env, at != nullptr && at->kind->heap.leave(at->cache.get()), &isLast);
    return isLast;
}

// kindPurge(id): bytes given back
napi_value purge(napi_env env, napi_callback_info info) {
    const Call<0> call(env, info);
    Hold* const at = call.hold();
    return number(env, at == nullptr ? 0.0 : static_cast<double>(at->kind->heap.purge(at->cache.get())));
}

// A part of the capacity, or of what the file system has.
uint64_t partOf(const Kind& kind, double part) {
    const uint64_t room = kind.description.room;
    const uint64_t capacity = kind.region->capacity();
    return static_cast<uint64_t>(static_cast<double>(room == 0 ? capacity : std::min(capacity, room)) * part);
}

// kindWatch(id, part): the cache's pressure word becomes 1 when that part is in use
napi_value watch(napi_env env, napi_callback_info info) {
    const Call<1> call(env, info);
    Hold* const at = call.hold();
    if (at != nullptr) at->kind->heap.watch(at->cache.get(), partOf(*at->kind, call.number(0)));
    return nullptr;
}

// kindCollectable(id, part): bytes in blocks that the garbage collector frees, if that part is in use; else 0
napi_value collectable(napi_env env, napi_callback_info info) {
    const Call<1> call(env, info);
    Hold* const at = call.hold();
    const uint64_t bytes = at == nullptr ? 0 : at->kind->heap.collectable(partOf(*at->kind, call.number(0)));
    return number(env, static_cast<double>(bytes));
}

}  // namespace

void exportKindStatistics(Napi::Env env, Napi::Object exports, HoldTable* table) {
    exports["kindStats"] = Napi::Function::New(env, stats, "kindStats", table);
    exports["kindClassUse"] = Napi::Function::New(env, classUse, "kindClassUse", table);
    addFunction(env, exports, "kindLeave", leave, table);
    addFunction(env, exports, "kindPurge", purge, table);
    addFunction(env, exports, "kindWatch", watch, table);
    addFunction(env, exports, "kindCollectable", collectable, table);
}

}  // namespace daxkind
