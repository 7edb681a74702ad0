// Caches: they are made and shared, and entries are found and stored. Most calls answer 0 or a negative errno. What
// else they found is in the results, a Float64Array that lib/native/caches.ts describes.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "binding/cache_call.h"
#include "binding/errors.h"
#include "binding/exports.h"
#include "binding/external.h"
#include "binding/hold.h"
#include "binding/values.h"
#include "cache/registry.h"
#include "kind/registry.h"

namespace daxkind {

namespace {

using cache::Cache;
using cache::Value;

// The words of the results.
enum Result { kLength, kEncoding, kIsStale, kLease, kSegment, kOffset };

void putValue(CacheTable& table, const Value& value, double lease) {
    double* const results = table.results.get();
    results[kLength] = value.length;
    results[kEncoding] = value.encoding;
    results[kIsStale] = value.isStale ? 1 : 0;
    results[kLease] = lease;
    results[kSegment] = static_cast<double>(value.offset >> kSegmentShift);
    results[kOffset] = static_cast<double>(value.offset & ((1ull << kSegmentShift) - 1));
}

// Puts what was found into the results. A pinned entry becomes a lease. One that cannot be pinned tells its length.
int conclude(CacheTable& table, CacheHold& at, int status, const Value& value) {
    if (status != 0 && status != -EAGAIN) return status;
    const bool isPinned = status == 0 && value.entry != cache::kNone;
    putValue(table, value, isPinned ? static_cast<double>(at.lease(value.entry)) : -1);
    return status;
}

napi_value handleOf(napi_env env, CacheTable& table, const std::shared_ptr<Cache>& made) {
    const cache::CacheOptions& options = made->options();
    Napi::Object handle = Napi::Object::New(env);
    handle["number"] = made->number;
    handle["maxSize"] = static_cast<double>(options.maxBytes);
    handle["maxEntries"] = static_cast<double>(options.maxEntries);
    handle["policy"] = options.policy == cache::Policy::kLru ? "lru" : "s3-fifo";
    handle["id"] = static_cast<double>(table.add(made));
    return handle;
}

// cacheResults(): the Float64Array's memory
napi_value results(napi_env env, napi_callback_info info) {
    const CacheCall call(env, info, 0);
    const std::shared_ptr<double[]> words = call.caches().results;
    return externalArrayBuffer<double[]>(env, words.get(), CacheTable::kResults * sizeof(double), words);
}

// cacheCreate(kindId, maxSize, maxEntries, isLru)
napi_value create(napi_env env, napi_callback_info info) {
    CacheCall call(env, info, 4);
    const int64_t kindId = call.integer("kind");
    cache::CacheOptions options;
    options.maxBytes = call.uint64("maxSize");
    options.maxEntries = call.uint64("maxEntries");
    options.policy = call.boolean("isLru") ? cache::Policy::kLru : cache::Policy::kS3Fifo;
    if (call.isRefused()) return nullptr;
    Hold* const hold = call.caches().kinds().find(kindId);
    if (hold == nullptr) return nullptr;
    // From now on there is more than one thread cache, and the heap must know whose the blocks are.
    hold->kind->heap.expectOthers();
    int error;
    const std::shared_ptr<Cache> made = Cache::make(hold->kind, options, &error);
    if (error == 0) error = registerCache(made);
    if (error != 0) return throwSystemError(env, error, "mmap", hold->kind->description.path.c_str());
    return handleOf(env, call.caches(), made);
}

// cacheShare(id): [process, secret]
napi_value share(napi_env env, napi_callback_info info) {
    CacheCall call(env, info, 1);
    CacheHold* const at = call.hold();
    if (call.isRefused() || at == nullptr) return nullptr;
    Napi::Array result = Napi::Array::New(env, 2);
    result[0u] = static_cast<double>(processNonce());
    result[1u] = at->cache().secret;
    return result;
}

// cacheAttach(kindId, process, number, secret)
napi_value attach(napi_env env, napi_callback_info info) {
    CacheCall call(env, info, 4);
    const int64_t kindId = call.integer("kind");
    const uint64_t process = call.uint64("process");
    const uint32_t number = call.uint32("number");
    const std::string secret = call.string("secret");
    if (call.isRefused() || process != processNonce()) return nullptr;
    const std::shared_ptr<Cache> found = cache::findCache(number, secret);
    Hold* const hold = call.caches().kinds().find(kindId);
    // The places of its values are looked up in the thread's views of the kind.
    if (found == nullptr || hold == nullptr || hold->kind.get() != &found->kind()) return nullptr;
    return handleOf(env, call.caches(), found);
}

// cacheClose(id)
napi_value close(napi_env env, napi_callback_info info) {
    CacheCall call(env, info, 1);
    const int64_t id = call.integer("id");
    if (!call.isRefused()) call.caches().close(id);
    return nullptr;
}

// ---- Finding --------------------------------------------------------------------------------------------------------

constexpr uint32_t kTakesStale = 1;
constexpr uint32_t kIsPeek = 2;

cache::Lookup lookupOf(uint32_t flags) {
    return {(flags & kTakesStale) != 0, (flags & kIsPeek) != 0};
}

// cacheGet(id, key, flags, to, offset)
napi_value get(napi_env env, napi_callback_info info) {
    CacheCall call(env, info, 5);
    CacheHold* const at = call.hold();
    const cache::Key key = call.key(at);
    const uint32_t flags = call.uint32("flags");
    const ByteView to = call.bytes("to");
    const uint64_t offset = call.uint64("offset");
    if (call.isRefused()) return nullptr;
    if (at == nullptr) return number(env, -EBADF);
    const size_t room = offset < to.length ? to.length - offset : 0;
    Value value;
    const int status = at->cache().get(key, lookupOf(flags), reinterpret_cast<char*>(to.data) + offset, room, &value);
    return number(env, conclude(call.caches(), *at, status, value));
}

// cachePin(id, key, flags)
napi_value pin(napi_env env, napi_callback_info info) {
    CacheCall call(env, info, 3);
    CacheHold* const at = call.hold();
    const cache::Key key = call.key(at);
    const uint32_t flags = call.uint32("flags");
    if (call.isRefused()) return nullptr;
    if (at == nullptr) return number(env, -EBADF);
    Value value;
    const int status = at->cache().pin(key, lookupOf(flags), &value);
    return number(env, conclude(call.caches(), *at, status, value));
}

// cacheUnpin(id, lease)
napi_value unpin(napi_env env, napi_callback_info info) {
    CacheCall call(env, info, 2);
    CacheHold* const at = call.hold();
    const uint32_t lease = call.uint32("lease");
    if (call.isRefused()) return nullptr;
    return number(env, at == nullptr ? -EBADF : at->endLease(lease) ? 0 : -EINVAL);
}

// cacheCopy(id, lease, to): whether the value is whole, and as long as `to`
napi_value copy(napi_env env, napi_callback_info info) {
    CacheCall call(env, info, 3);
    CacheHold* const at = call.hold();
    const uint32_t lease = call.uint32("lease");
    const ByteView to = call.bytes("to");
    if (call.isRefused()) return nullptr;
    const uint32_t entry = at == nullptr ? cache::kNone : at->leased(lease);
    const bool isCopied = entry != cache::kNone && at->cache().copy(entry, reinterpret_cast<char*>(to.data), to.length);
    return boolean(env, isCopied);
}

// cacheFreshFor(id, key)
napi_value freshFor(napi_env env, napi_callback_info info) {
    CacheCall call(env, info, 2);
    CacheHold* const at = call.hold();
    const cache::Key key = call.key(at);
    if (call.isRefused()) return nullptr;
    const uint64_t ms = at == nullptr ? 0 : at->cache().freshFor(key);
    return number(env, ms == UINT64_MAX ? std::numeric_limits<double>::infinity() : static_cast<double>(ms));
}

// cacheDelete(id, key)
napi_value remove(napi_env env, napi_callback_info info) {
    CacheCall call(env, info, 2);
    CacheHold* const at = call.hold();
    const cache::Key key = call.key(at);
    if (call.isRefused()) return nullptr;
    return boolean(env, at != nullptr && at->cache().remove(key));
}

// ---- Storing --------------------------------------------------------------------------------------------------------

// cacheSet(id, key, value, encoding, freshMs, staleMs)
napi_value set(napi_env env, napi_callback_info info) {
    CacheCall call(env, info, 6);
    CacheHold* const at = call.hold();
    const cache::Key key = call.key(at);
    const ByteView value = call.bytes("value");
    const uint8_t encoding = call.encoding();
    const cache::Lifetime lifetime = call.lifetime();
    if (call.isRefused()) return nullptr;
    if (at == nullptr) return number(env, -EBADF);
    return number(env, at->cache().set(key, value.data, value.length, encoding, lifetime));
}

// cacheBegin(id, key, expected): the number of a draft, or a negative errno
napi_value begin(napi_env env, napi_callback_info info) {
    CacheCall call(env, info, 3);
    CacheHold* const at = call.hold();
    const cache::Key key = call.key(at);
    const uint64_t expected = call.uint64("expected");
    if (call.isRefused()) return nullptr;
    if (at == nullptr) return number(env, -EBADF);
    CacheHold::OpenDraft open;
    const int error = at->cache().begin(key, expected, &open.draft);
    if (error != 0) {
        at->cache().drop(key);
        return number(env, error);
    }
    open.key.assign(reinterpret_cast<const char*>(key.data), key.length);
    open.sort = key.sort;
    return number(env, static_cast<double>(at->keep(std::move(open))));
}

// cacheAppend(id, draft, bytes)
napi_value append(napi_env env, napi_callback_info info) {
    CacheCall call(env, info, 3);
    CacheHold* const at = call.hold();
    CacheHold::OpenDraft* const open = call.draft(at);
    const ByteView bytes = call.bytes("bytes");
    if (call.isRefused()) return nullptr;
    if (open == nullptr) return number(env, -EBADF);
    const int error = at->cache().append(&open->draft, bytes.data, bytes.length);
    if (error != 0) at->cache().drop(open->keyFor(at->cache()));
    return number(env, error);
}

// cachePublish(id, draft, encoding, freshMs, staleMs): the draft ends, whatever the result is
napi_value publish(napi_env env, napi_callback_info info) {
    CacheCall call(env, info, 5);
    CacheHold* const at = call.hold();
    uint32_t name;
    CacheHold::OpenDraft* const open = call.draft(at, &name);
    const uint8_t encoding = call.encoding();
    const cache::Lifetime lifetime = call.lifetime();
    if (call.isRefused()) return nullptr;
    if (open == nullptr) return number(env, -EBADF);
    const cache::Key key = open->keyFor(at->cache());
    const int error = at->cache().publish(key, &open->draft, encoding, lifetime);
    if (error != 0) at->cache().drop(key);
    at->cache().abandon(&open->draft);
    at->forget(name);
    return number(env, error);
}

// cacheAbandon(id, draft)
napi_value abandon(napi_env env, napi_callback_info info) {
    CacheCall call(env, info, 2);
    CacheHold* const at = call.hold();
    uint32_t name;
    CacheHold::OpenDraft* const open = call.draft(at, &name);
    if (call.isRefused() || open == nullptr) return nullptr;
    at->cache().abandon(&open->draft);
    at->forget(name);
    return nullptr;
}

// ---- Looking around -------------------------------------------------------------------------------------------------

// cacheClear(id)
napi_value clear(napi_env env, napi_callback_info info) {
    CacheCall call(env, info, 1);
    CacheHold* const at = call.hold();
    if (!call.isRefused() && at != nullptr) at->cache().clear();
    return nullptr;
}

// cacheSize(id)
napi_value size(napi_env env, napi_callback_info info) {
    CacheCall call(env, info, 1);
    CacheHold* const at = call.hold();
    if (call.isRefused() || at == nullptr) return nullptr;
    return number(env, static_cast<double>(at->cache().size()));
}

// cacheList(id, cursor, to): [cursor, written, wanted]; a cursor of -1 is the end
napi_value list(napi_env env, napi_callback_info info) {
    CacheCall call(env, info, 3);
    CacheHold* const at = call.hold();
    uint64_t cursor = call.uint64("cursor");
    const ByteView to = call.bytes("to");
    if (call.isRefused() || at == nullptr) return nullptr;
    uint64_t wanted;
    const uint64_t written = at->cache().list(&cursor, to.data, to.length, &wanted);
    Napi::Array result = Napi::Array::New(env, 3);
    result[0u] = cursor == Cache::kListEnd ? -1.0 : static_cast<double>(cursor);
    result[1u] = static_cast<double>(written);
    result[2u] = static_cast<double>(wanted);
    return result;
}

// cacheStats(id)
napi_value stats(napi_env env, napi_callback_info info) {
    CacheCall call(env, info, 1);
    CacheHold* const at = call.hold();
    if (call.isRefused() || at == nullptr) return nullptr;
    const cache::CacheStats stats = at->cache().stats();
    Napi::Object result = Napi::Object::New(env);
    const auto put = [&](const char* name, uint64_t value) { result[name] = static_cast<double>(value); };
    put("entries", stats.entries);
    put("bytes", stats.bytes);
    put("pinned", stats.pinned);
    put("indexBytes", stats.indexBytes);
    put("hits", stats.hits);
    put("misses", stats.misses);
    put("sets", stats.sets);
    put("deletes", stats.deletes);
    put("evicted", stats.removals[static_cast<int>(cache::Removal::kEvicted)]);
    put("expired", stats.removals[static_cast<int>(cache::Removal::kExpired)]);
    put("lost", stats.removals[static_cast<int>(cache::Removal::kLost)]);
    return result;
}

// setRemovalHandler(handler)
napi_value setRemovalHandler(napi_env env, napi_callback_info info) {
    CacheCall call(env, info, 1);
    const Napi::Function handler(env, call.function("handler"));
    if (call.isRefused()) return nullptr;
    call.caches().setHandler(handler);
    return nullptr;
}

// cacheListen(id)
napi_value listen(napi_env env, napi_callback_info info) {
    CacheCall call(env, info, 1);
    CacheHold* const at = call.hold();
    if (!call.isRefused() && at != nullptr) call.caches().listen(env, at);
    return nullptr;
}

// cacheTakeRemoved(id, most): [why, sort, key, bytes, ...]
napi_value takeRemoved(napi_env env, napi_callback_info info) {
    CacheCall call(env, info, 2);
    CacheHold* const at = call.hold();
    const uint32_t most = call.uint32("most");
    if (call.isRefused() || at == nullptr || at->removals == nullptr) return nullptr;
    const std::vector<cache::RemovedEntry> taken = at->removals->take(most);
    Napi::Array entries = Napi::Array::New(env, taken.size() * 4);
    uint32_t next = 0;
    for (const cache::RemovedEntry& entry : taken) {
        entries[next++] = static_cast<double>(entry.why);
        entries[next++] = static_cast<double>(entry.sort);
        entries[next++] = Napi::Buffer<char>::Copy(env, entry.key.data(), entry.key.size());
        entries[next++] = static_cast<double>(entry.bytes);
    }
    return entries;
}

}  // namespace

void exportCache(Napi::Env env, Napi::Object exports, CacheTable* caches) {
    exportFunctions(env, exports,
                    {{"cacheResults", results},
                     {"cacheCreate", create},
                     {"cacheShare", share},
                     {"cacheAttach", attach},
                     {"cacheClose", close},
                     {"cacheGet", get},
                     {"cachePin", pin},
                     {"cacheUnpin", unpin},
                     {"cacheCopy", copy},
                     {"cacheFreshFor", freshFor},
                     {"cacheDelete", remove},
                     {"cacheSet", set},
                     {"cacheBegin", begin},
                     {"cacheAppend", append},
                     {"cachePublish", publish},
                     {"cacheAbandon", abandon},
                     {"cacheClear", clear},
                     {"cacheSize", size},
                     {"cacheList", list},
                     {"cacheStats", stats},
                     {"setRemovalHandler", setRemovalHandler},
                     {"cacheListen", listen},
                     {"cacheTakeRemoved", takeRemoved}},
                    caches);
}

}  // namespace daxkind
