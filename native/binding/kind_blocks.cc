// The slow paths of malloc and free. Every call takes small integers and answers 0 or a negative errno. The place that
// a call finds goes into the result words of the thread cache.
#include <algorithm>
#include <cerrno>
#include <memory>

#include "binding/exports.h"
#include "binding/kind_call.h"
#include "binding/shown.h"
#include "binding/values.h"

namespace daxkind {

namespace {

void putResult(Hold* at, uint64_t offset) {
    at->cache->word(kResultSegmentWord) = static_cast<int32_t>(offset >> kSegmentShift);
    at->cache->word(kResultOffsetWord) = static_cast<int32_t>(offset & ((1ull << kSegmentShift) - 1));
    at->cache->word(kResultPendingWord) = 1;
}

// kindRefill(id, code)
napi_value refill(napi_env env, napi_callback_info info) {
    KindCall call(env, info, 2);
    Hold* const at = call.hold();
    const uint32_t code = call.code();
    if (call.isRefused()) return nullptr;
    return number(env, at == nullptr ? -EBADF : at->kind->heap.refill(at->cache.get(), code));
}

// kindDrain(id, code)
napi_value drain(napi_env env, napi_callback_info info) {
    KindCall call(env, info, 2);
    Hold* const at = call.hold();
    const uint32_t code = call.code();
    if (call.isRefused()) return nullptr;
    return number(env, at == nullptr ? -EBADF : at->kind->heap.drain(at->cache.get(), code));
}

// kindAllocateRun(id, units, alignment)
napi_value allocateRun(napi_env env, napi_callback_info info) {
    KindCall call(env, info, 3);
    Hold* const at = call.hold();
    const uint32_t units = call.units();
    const uint64_t alignment = call.uint64("alignment");
    if (call.isRefused()) return nullptr;
    if (at == nullptr) return number(env, -EBADF);
    at->freePending();
    uint64_t offset;
    const int error = at->kind->heap.allocateRun(at->cache.get(), units, alignment, &offset);
    if (error == 0) putResult(at, offset);
    return number(env, error);
}

// kindFree(id, segment, offset)
napi_value freeBlock(napi_env env, napi_callback_info info) {
    KindCall call(env, info, 3);
    Hold* const at = call.hold();
    const uint64_t place = call.place();
    if (call.isRefused()) return nullptr;
    if (at == nullptr) return number(env, -EBADF);
    Heap& heap = at->kind->heap;
    const auto quarantined = at->quarantine.find(place);
    if (quarantined == at->quarantine.end()) return number(env, heap.free(at->cache.get(), place));
    const int status = heap.freeReferenced(at->cache.get(), quarantined->first, quarantined->second);
    at->quarantine.erase(quarantined);
    return number(env, status);
}

// kindFreeRaw(id, place, out, fill): 0, or -EINVAL if nobody holds the handle
napi_value freeRaw(napi_env env, napi_callback_info info) {
    KindCall call(env, info, 4);
    Hold* const at = call.hold();
    const uint64_t place = call.uint64("place");
    const auto out = static_cast<uint16_t>(call.integer("out", 0, std::numeric_limits<uint16_t>::max()));
    const auto fill = static_cast<int>(call.integer("fill", -1, std::numeric_limits<uint8_t>::max()));
    if (call.isRefused()) return nullptr;
    return number(env, at == nullptr ? -EBADF : at->kind->heap.freeRaw(at->cache.get(), place, out, fill));
}

// kindResizeRun(id, segment, offset, units)
napi_value resizeRun(napi_env env, napi_callback_info info) {
    KindCall call(env, info, 4);
    Hold* const at = call.hold();
    const uint64_t place = call.place();
    const uint32_t units = call.units();
    if (call.isRefused()) return nullptr;
    return number(env, at == nullptr ? -EBADF : at->kind->heap.resizeRun(at->cache.get(), place, units));
}

// kindTakeFuller(id, segment, offset)
napi_value takeFuller(napi_env env, napi_callback_info info) {
    KindCall call(env, info, 3);
    Hold* const at = call.hold();
    const uint64_t place = call.place();
    if (call.isRefused()) return nullptr;
    if (at == nullptr) return number(env, -EBADF);
    at->freePending();
    uint64_t better;
    const int error = at->kind->heap.takeFuller(at->cache.get(), place, &better);
    if (error == 0) putResult(at, better);
    return number(env, error);
}

// What an ArrayBuffer over a part of the region keeps alive.
struct Window {
    std::shared_ptr<Region> region;
    std::shared_ptr<OwnedBlocks> blocks;
};

// kindWindow(id, segment, offset, length): an ArrayBuffer over that part of the region, cut at its end
napi_value window(napi_env env, napi_callback_info info) {
    KindCall call(env, info, 4);
    Hold* const at = call.hold();
    const uint64_t from = call.place();
    const uint64_t most = call.uint64("length");
    if (call.isRefused()) return nullptr;
    if (at == nullptr || from >= at->kind->region->capacity()) return nullptr;
    const uint64_t length = std::min(most, at->kind->region->capacity() - from);
    at->kind->region->show(from, length);
    const auto window = std::make_shared<Window>(Window{at->kind->region, at->blocks});
    return shownArrayBuffer(env, at->kind->region->base() + from, length, window);
}

// A block that is freed when its ArrayBuffer is garbage, unless a script has freed it before.
struct CollectedBlock {
    std::weak_ptr<Kind> kind;
    std::shared_ptr<Region> region;
    std::shared_ptr<OwnedBlocks> blocks;
    uint64_t offset;
    uint64_t generation;
    ~CollectedBlock() {
        if (const std::shared_ptr<Kind> open = kind.lock()) open->heap.freeReferenced(nullptr, offset, generation);
    }
};

// kindCollectedWindow(id, segment, offset, length, generation): an ArrayBuffer over a block of that generation
napi_value collectedWindow(napi_env env, napi_callback_info info) {
    KindCall call(env, info, 5);
    Hold* const at = call.hold();
    const uint64_t from = call.place();
    const uint64_t length = call.uint64("length");
    const uint64_t generation = call.uint64("generation");
    if (call.isRefused()) return nullptr;
    if (at == nullptr || from + length > at->kind->region->capacity()) return nullptr;
    auto block = std::make_shared<CollectedBlock>();
    block->kind = at->kind;
    block->region = at->kind->region;
    block->blocks = at->blocks;
    block->offset = from;
    block->generation = generation;
    block->region->show(from, length);
    return shownArrayBuffer(env, block->region->base() + from, length, block);
}

}  // namespace

void exportKindBlocks(Napi::Env env, Napi::Object exports, HoldTable* holds) {
    exportFunctions(env, exports,
                    {{"kindRefill", refill},
                     {"kindDrain", drain},
                     {"kindAllocateRun", allocateRun},
                     {"kindFree", freeBlock},
                     {"kindFreeRaw", freeRaw},
                     {"kindResizeRun", resizeRun},
                     {"kindTakeFuller", takeFuller},
                     {"kindWindow", window},
                     {"kindCollectedWindow", collectedWindow}},
                    holds);
}

}  // namespace daxkind
