// What a kind says of itself, and the calls that give storage back while this thread waits.
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "binding/errors.h"
#include "binding/exports.h"
#include "binding/kind_call.h"
#include "binding/values.h"
#include "jobs/background.h"

namespace daxkind {

namespace {

// kindStats(id)
napi_value stats(napi_env env, napi_callback_info info) {
    KindCall call(env, info, 1);
    Hold* const at = call.hold();
    if (at == nullptr) return nullptr;
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
    set("lost", stats.lost);
    set("highWater", stats.highWater);
    return result;
}

// kindClassUse(id, isWithoutCollected): slabs, slots, blocks, bytes, cachedBlocks, cachedBytes, for each class and then
// for all runs
napi_value classUse(napi_env env, napi_callback_info info) {
    KindCall call(env, info, 2);
    Hold* const at = call.hold();
    const bool isWithoutCollected = call.boolean("isWithoutCollected");
    if (call.isRefused() || at == nullptr) return nullptr;
    constexpr uint32_t kColumns = 6;
    const ClassUses uses = at->kind->heap.classUses(isWithoutCollected);
    Napi::Float64Array table = Napi::Float64Array::New(env, uses.size() * kColumns);
    // Nothing can be made in a worker that is being terminated.
    if (table.IsEmpty()) return nullptr;
    for (size_t row = 0; row < uses.size(); row++) {
        const ClassUse& use = uses[row];
        const uint64_t values[kColumns] = {use.slabs, use.slots,        use.blocks,
                                           use.bytes, use.cachedBlocks, use.cachedBytes};
        for (uint32_t column = 0; column < kColumns; column++) {
            table[row * kColumns + column] = static_cast<double>(values[column]);
        }
    }
    return table;
}

// kindListen(id): somebody listens to what the kind loses, through this hold
napi_value listen(napi_env env, napi_callback_info info) {
    KindCall call(env, info, 1);
    Hold* const at = call.hold();
    if (!call.isRefused() && at != nullptr) at->lossSink->isListening = true;
    return nullptr;
}

// kindLeave(id): whether this hold on the kind is the last one, because all others have left, too
napi_value leave(napi_env env, napi_callback_info info) {
    KindCall call(env, info, 1);
    Hold* const at = call.hold();
    if (call.isRefused()) return nullptr;
    if (at == nullptr) return boolean(env, false);
    at->freePending();
    return boolean(env, at->kind->heap.leave(at->cache.get()));
}

// How long an event loop waits for a purge that makes no progress. One part of a purge takes some milliseconds.
constexpr std::chrono::seconds kStanding(2);

// A purge on another thread, so that the caller can stop waiting: while a page is pinned, giving storage back blocks.
struct Purge {
    std::mutex mutex;
    std::condition_variable changed;
    uint64_t given = 0;
    bool isDone = false;

    // Waits until the purge is done or makes no progress. Gives the bytes that have been given back.
    uint64_t await() {
        std::unique_lock<std::mutex> lock(mutex);
        while (!isDone) {
            const uint64_t before = given;
            if (!changed.wait_for(lock, kStanding, [this, before] { return isDone || given != before; })) break;
        }
        return given;
    }
};

class PurgeTask final : public Task {
  public:
    PurgeTask(std::shared_ptr<Kind> kind, std::shared_ptr<Purge> purge)
        : kind_(std::move(kind)), purge_(std::move(purge)) {}

    std::optional<std::chrono::milliseconds> step() override {
        const uint64_t given = kind_->heap.purgeSome(UINT64_MAX);
        // The thread that waits may close the kind next. It expects that nobody else keeps the kind then.
        if (given == 0) kind_.reset();
        const std::lock_guard<std::mutex> lock(purge_->mutex);
        purge_->given += given;
        purge_->isDone = given == 0;
        purge_->changed.notify_all();
        if (given == 0) return std::nullopt;
        return std::chrono::milliseconds(0);
    }

  private:
    std::shared_ptr<Kind> kind_;
    const std::shared_ptr<Purge> purge_;
};

// kindPurge(id): how many bytes were given back
napi_value purge(napi_env env, napi_callback_info info) {
    KindCall call(env, info, 1);
    Hold* const at = call.hold();
    if (call.isRefused()) return nullptr;
    if (at == nullptr) return number(env, 0.0);
    // Only a file on DAX has pages that can be pinned.
    const KindDescription& description = at->kind->description;
    const bool mayWait = description.type == std::string_view("pmem") && description.dax.value_or(true);
    if (!mayWait) return number(env, static_cast<double>(at->kind->heap.purge(at->cache.get())));
    at->kind->heap.gather(at->cache.get());
    const auto purge = std::make_shared<Purge>();
    std::unique_ptr<Task> task = std::make_unique<PurgeTask>(at->kind, purge);
    if (doInBackground(task) != 0) return number(env, static_cast<double>(at->kind->heap.purge(at->cache.get())));
    return number(env, static_cast<double>(purge->await()));
}

// A part of the capacity, or of what the file system has if that is less.
uint64_t partOf(const Kind& kind, double part) {
    const uint64_t room = kind.description.room;
    const uint64_t capacity = kind.region->capacity();
    return static_cast<uint64_t>(static_cast<double>(room == 0 ? capacity : std::min(capacity, room)) * part);
}

// kindWatch(id, part): the cache's pressure word becomes 1 when that part of the room is in use
napi_value watch(napi_env env, napi_callback_info info) {
    KindCall call(env, info, 2);
    Hold* const at = call.hold();
    const double part = call.fraction("part");
    if (call.isRefused() || at == nullptr) return nullptr;
    at->kind->heap.watch(at->cache.get(), partOf(*at->kind, part));
    return nullptr;
}

// kindCollectable(id, part): bytes in blocks that the garbage collector frees, if that part of the room is in use; else
// 0
napi_value collectable(napi_env env, napi_callback_info info) {
    KindCall call(env, info, 2);
    Hold* const at = call.hold();
    const double part = call.fraction("part");
    if (call.isRefused()) return nullptr;
    const uint64_t bytes = at == nullptr ? 0 : at->kind->heap.collectable(partOf(*at->kind, part));
    return number(env, static_cast<double>(bytes));
}

// kindNodes(id): for each NUMA node its number and the bytes on it; undefined where that is not known
napi_value nodes(napi_env env, napi_callback_info info) {
    KindCall call(env, info, 1);
    Hold* const at = call.hold();
    if (at == nullptr) return nullptr;
    std::vector<NodeUse> uses;
    const int error = at->kind->region->nodeUses(&uses);
    if (error == -EOPNOTSUPP) return nullptr;
    if (error != 0) return throwSystemError(env, error, "move_pages", at->kind->description.path.c_str());
    Napi::Float64Array table = Napi::Float64Array::New(env, 2 * uses.size());
    // Nothing can be made in a worker that is being terminated.
    if (table.IsEmpty()) return nullptr;
    for (size_t row = 0; row < uses.size(); row++) {
        table[2 * row] = uses[row].node;
        table[2 * row + 1] = static_cast<double>(uses[row].bytes);
    }
    return table;
}

}  // namespace

void exportKindStatistics(Napi::Env env, Napi::Object exports, HoldTable* holds) {
    exportFunctions(env, exports,
                    {{"kindStats", stats},
                     {"kindClassUse", classUse},
                     {"kindListen", listen},
                     {"kindLeave", leave},
                     {"kindPurge", purge},
                     {"kindWatch", watch},
                     {"kindNodes", nodes},
                     {"kindCollectable", collectable}},
                    holds);
}

}  // namespace daxkind
