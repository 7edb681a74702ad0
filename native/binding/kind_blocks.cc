// The slow paths of malloc and free. Every call is made with small integers and answers 0 or a negative errno; a place
// that it finds goes into the result words of the thread cache.
#include <cerrno>

#include "binding/kind_table.h"
#include "binding/shown.h"

namespace daxkind {

namespace {

void putResult(Hold* at, uint64_t offset) {
    at->cache->word(kResultSegmentWord) = static_cast<int32_t>(offset >> kSegmentShift);
    at->cache->word(kResultOffsetWord) = static_cast<int32_t>(offset & ((1ull << kSegmentShift) - 1));
    at->cache->word(kResultPendingWord) = 1;
}

// kindRefill(id, code)
napi_value refill(napi_env env, napi_callback_info info) {
    const Call<1> call(env, info);
    Hold* const at = call.hold();
    return number(env, at == nullptr ? -EBADF : at->kind->heap.refill(at->cache.get(), call.uint32(0)));
}

// kindFlush(id, code)
napi_value flush(napi_env env, napi_callback_info info) {
    const Call<1> call(env, info);
    Hold* const at = call.hold();
    return number(env, at == nullptr ? -EBADF : at->kind->heap.flush(at->cache.get(), call.uint32(0)));
}

// kindAllocateRun(id, units, alignment)
napi_value allocateRun(napi_env env, napi_callback_info info) {
    const Call<2> call(env, info);
    Hold* const at = call.hold();
    if (at == nullptr) return number(env, -EBADF);
    at->freePending();
    uint64_t offset;
    const int error = at->kind->heap.allocateRun(at->cache.get(), call.uint32(0), call.uint64(1), &offset);
    if (error == 0) putResult(at, offset);
    return number(env, error);
}

// kindFree(id, segment, offset)
napi_value freeBlock(napi_env env, napi_callback_info info) {
    const Call<2> call(env, info);
    Hold* const at = call.hold();
    if (at == nullptr) return number(env, -EBADF);
    Heap& heap = at->kind->heap;
    const auto quarantined = at->quarantine.find(call.blockOffset(0));
    if (quarantined == at->quarantine.end()) return number(env, heap.free(at->cache.get(), call.blockOffset(0)));
    const int status = heap.freeReferenced(at->cache.get(), quarantined->first, quarantined->second);
    at->quarantine.erase(quarantined);
    return number(env, status);
}

// kindFreeRaw(id, place, out, fill): 0, or -EINVAL if the handle is not out
napi_value freeRaw(napi_env env, napi_callback_info info) {
    const Call<3> call(env, info);
    Hold* const at = call.hold();
    if (at == nullptr) return number(env, -EBADF);
    const int fill = static_cast<int>(call.uint32(2));
    return number(env,
                  at->kind->heap.freeRaw(at->cache.get(), call.uint64(0), static_cast<uint16_t>(call.uint32(1)), fill));
}

// kindResizeRun(id, segment, offset, units)
napi_value resizeRun(napi_env env, napi_callback_info info) {
    const Call<3> call(env, info);
    Hold* const at = call.hold();
    if (at == nullptr) return number(env, -EBADF);
    return number(env, at->kind->heap.resizeRun(at->cache.get(), call.blockOffset(0), call.uint32(2)));
}

// kindTakeBetter(id, segment, offset)
napi_value takeBetter(napi_env env, napi_callback_info info) {
    const Call<2> call(env, info);
    Hold* const at = call.hold();
    if (at == nullptr) return number(env, -EBADF);
    at->freePending();
    uint64_t better;
    const int error = at->kind->heap.takeBetter(at->cache.get(), call.blockOffset(0), &better);
    if (error == 0) putResult(at, better);
    return number(env, error);
}

// What an ArrayBuffer over a part of the region keeps.
struct Window {
    std::shared_ptr<Region> region;
    std::shared_ptr<OwnedBlocks> blocks;
};

// kindWindow(id, segment, offset, length): an ArrayBuffer over that part of the region, cut at its end
napi_value window(napi_env env, napi_callback_info info) {
    const Call<3> call(env, info);
    Hold* const at = call.hold();
    const uint64_t from = call.blockOffset(0);
    if (at == nullptr || from >= at->kind->region->capacity()) return nullptr;
    const uint64_t length = std::min(call.uint64(2), at->kind->region->capacity() - from);
    at->kind->region->show(from, length);
    const auto window = std::make_shared<Window>(Window{at->kind->region, at->blocks});
    return shownArrayBuffer(env, at->kind->region->base() + from, length, window);
}

// A block whose memory is freed when its ArrayBuffer is garbage, unless that was done by hand before.
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
    const Call<4> call(env, info);
    Hold* const at = call.hold();
    const uint64_t from = call.blockOffset(0);
    const uint64_t length = call.uint64(2);
    if (at == nullptr || from + length > at->kind->region->capacity()) return nullptr;
    auto block = std::make_shared<CollectedBlock>();
    block->kind = at->kind;
    block->region = at->kind->region;
    block->blocks = at->blocks;
    block->offset = from;
    block->generation = call.uint64(3);
    block->region->show(from, length);
    return shownArrayBuffer(env, block->region->base() + from, length, block);
}

}  // namespace

void exportKindBlocks(Napi::Env env, Napi::Object exports, HoldTable* table) {
    addFunction(env, exports, "kindRefill", refill, table);
    addFunction(env, exports, "kindFlush", flush, table);
    addFunction(env, exports, "kindAllocateRun", allocateRun, table);
    addFunction(env, exports, "kindFree", freeBlock, table);
    addFunction(env, exports, "kindFreeRaw", freeRaw, table);
    addFunction(env, exports, "kindResizeRun", resizeRun, table);
    addFunction(env, exports, "kindTakeBetter", takeBetter, table);
    addFunction(env, exports, "kindWindow", window, table);
    addFunction(env, exports, "kindCollectedWindow", collectedWindow, table);
}

}  // namespace daxkind
