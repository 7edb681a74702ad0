#include "binding/hold.h"

#include <cerrno>
#include <utility>

#include "binding/errors.h"
#include "binding/external.h"
#include "binding/losses.h"
#include "binding/values.h"

namespace daxkind {

void Hold::freePending() {
    if (cache->word(kResultPendingWord) == 0) return;
    cache->word(kResultPendingWord) = 0;
    const uint64_t segment = static_cast<uint32_t>(cache->word(kResultSegmentWord));
    kind->heap.free(cache.get(), (segment << kSegmentShift) + static_cast<uint32_t>(cache->word(kResultOffsetWord)));
}

void Hold::endWithBlocks(std::unique_ptr<Hold> hold) {
    Heap& heap = hold->kind->heap;
    // From now on nobody answers for the cache.
    heap.setWake(hold->cache.get(), nullptr, nullptr);
    heap.serveReclaim(hold->cache.get());
    heap.empty(hold->cache.get());
    const std::shared_ptr<OwnedBlocks> blocks = std::move(hold->blocks);
    blocks->keep(std::move(hold));
}

Hold::~Hold() {
    if (kind == nullptr || cache == nullptr) return;
    for (const auto& [offset, generation] : quarantine) kind->heap.freeReferenced(cache.get(), offset, generation);
    kind->heap.detach(cache.get());
    // The last hold ends the decay. It waits a moment for a call of it, so that the storage has gone back afterwards.
    if (kind->heap.close() && kind->decay != nullptr) kind->decay->end();
}

HoldTable* HoldTable::create(napi_env env) {
    auto* const table = new HoldTable();
    // Runs when the environment ends, but not at process.exit(). The kernel takes back what remains then.
    napi_add_env_cleanup_hook(env, [](void* data) { delete static_cast<HoldTable*>(data); }, table);
    return table;
}

HoldTable::~HoldTable() {
    const Kind::AtOnce atOnce;
    for (auto& [id, hold] : holds_.all()) {
        const std::shared_ptr<OwnedBlocks> blocks = hold->blocks;
        hold.reset();
        blocks->free();
    }
    if (loopCall_ != nullptr) loopCall_->stop();
}

void HoldTable::listen(napi_env env, Hold* hold) {
    if (loopCall_ == nullptr) {
        loopCall_ = LoopCall::create(env, [this](napi_env) {
            for (const auto& [id, at] : holds_.all()) {
                if (at->isWoken.exchange(false)) at->kind->heap.serveReclaim(at->cache.get());
            }
        });
    }
    if (loopCall_ == nullptr) return;
    hold->loopCall = loopCall_;
    const auto wake = [](void* data) {
        Hold& at = *static_cast<Hold*>(data);
        at.isWoken = true;
        at.loopCall->wake();
    };
    hold->kind->heap.setWake(hold->cache.get(), wake, hold);
}

Napi::Value HoldTable::attach(Napi::Env env, std::shared_ptr<Kind> kind) {
    auto hold = std::make_unique<Hold>();
    auto cache = std::make_shared<ThreadCache>();
    int error = cache->open();
    if (error != 0) {
        throwSystemError(env, error, "mmap", kind->description.path.c_str());
        return env.Undefined();
    }
    const napi_value words =
        externalArrayBuffer<ThreadCache>(env, cache->words(), kCacheWords * sizeof(int32_t), cache);
    if (words == nullptr) return env.Undefined();
    const KindDescription& description = kind->description;
    Napi::Object handle = Napi::Object::New(env);
    handle["number"] = kind->number;
    handle["cache"] = Napi::Value(env, words);
    handle["capacity"] = static_cast<double>(kind->region->capacity());
    handle["unitShift"] = kind->heap.unitShift();
    handle["type"] = description.type;
    handle["path"] = description.path;
    handle["sync"] = description.sync;
    handle["debug"] = description.debug;
    handle["dax"] = optionalBoolean(env, description.dax);
    Napi::Array nodes = Napi::Array::New(env, description.nodes.size());
    for (uint32_t at = 0; at < description.nodes.size(); at++) nodes[at] = description.nodes[at];
    handle["nodes"] = nodes;
    handle["policy"] = description.policy;
    handle["deviceMajor"] = description.deviceMajor;
    handle["deviceMinor"] = description.deviceMinor;

    error = kind->heap.attach(cache.get());
    if (error == -ENOENT) return env.Undefined();
    if (error != 0) {
        throwSystemError(env, error, "mmap", description.path.c_str());
        return env.Undefined();
    }
    handle["owner"] = cache->owner;
    hold->blocks = std::make_shared<OwnedBlocks>(kind, cache->owner);
    hold->kind = std::move(kind);
    hold->cache = std::move(cache);
    listen(env, hold.get());
    Hold& added = *hold;
    const int64_t id = holds_.add(std::move(hold));
    added.lossSink = std::make_shared<QueueSink>(LossQueue::of(env), false, id);
    added.kind->losses.add(added.lossSink);
    handle["id"] = static_cast<double>(id);
    return handle;
}

}  // namespace daxkind
