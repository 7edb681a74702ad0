#include "binding/kind.h"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "binding/errors.h"
#include "binding/external.h"
#include "heap/heap.h"
#include "region/pmem_file.h"

namespace daxkind {

namespace {

// A heap with its region. The region outlives it: ArrayBuffers that JavaScript still holds keep the range mapped.
struct Kind {
    std::shared_ptr<PmemFileRegion> region = std::make_shared<PmemFileRegion>();
    Heap heap;
    ~Kind() { region->retire(); }
};

// One environment's (one thread's) hold on a kind.
struct Attachment {
    std::shared_ptr<Kind> kind;
    std::shared_ptr<ThreadCache> cache;
    ~Attachment() {
        if (kind != nullptr && cache != nullptr) kind->heap.detach(cache.get());
    }
};

// The kinds of one environment by the small number that JavaScript knows them by. Numbers of closed kinds are used
// again: the facade forgets a number when it closes the kind.
struct KindTable {
    std::vector<std::unique_ptr<Attachment>> attachments;
    std::vector<uint32_t> unused;

    uint32_t add(std::unique_ptr<Attachment> attachment) {
        if (unused.empty()) {
            attachments.push_back(std::move(attachment));
            return static_cast<uint32_t>(attachments.size() - 1);
        }
        const uint32_t id = unused.back();
        unused.pop_back();
        attachments[id] = std::move(attachment);
        return id;
    }
};

// The arguments of a hot call, all numbers, and the attachment that the first one names.
template <size_t N>
struct Call {
    napi_value values[N + 1];
    void* table = nullptr;

    Call(napi_env env, napi_callback_info info) : env_(env) {
        size_t count = N + 1;
        napi_get_cb_info(env, info, &count, values, nullptr, &table);
    }

    Attachment* attachment() const {
        const auto& attachments = static_cast<KindTable*>(table)->attachments;
        uint32_t id = UINT32_MAX;
        napi_get_value_uint32(env_, values[0], &id);
        return id < attachments.size() ? attachments[id].get() : nullptr;
    }

    uint32_t uint32(size_t index) const {
        uint32_t value = 0;
        napi_get_value_uint32(env_, values[index + 1], &value);
        return value;
    }

    uint64_t uint64(size_t index) const {
        double value = 0;
        napi_get_value_double(env_, values[index + 1], &value);
        return static_cast<uint64_t>(value);
    }

    uint64_t blockOffset(size_t index) const {
        return (static_cast<uint64_t>(uint32(index)) << kSegmentShift) + uint32(index + 1);
    }

  private:
    napi_env env_;
};

napi_value number(napi_env env, int value) {
    napi_value result;
    napi_create_int32(env, value, &result);
    return result;
}

napi_value number(napi_env env, double value) {
    napi_value result;
    napi_create_double(env, value, &result);
    return result;
}

// kindCreate(directory, maxSize, conservative, sync, prefault)
Napi::Value create(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const std::string directory = info[0].As<Napi::String>();
    PmemFileOptions options;
    options.directory = directory.c_str();
    options.capacity = static_cast<uint64_t>(info[1].As<Napi::Number>().DoubleValue());
    options.sync = info[3].As<Napi::Boolean>();
    const bool prefault = info[4].As<Napi::Boolean>();
    HeapOptions heapOptions;
    // What was asked to be there from the start is not given back as blocks come and go.
    heapOptions.conservative = info[2].As<Napi::Boolean>() && !prefault;

    auto attachment = std::make_unique<Attachment>();
    attachment->kind = std::make_shared<Kind>();
    PmemFileRegion& region = *attachment->kind->region;
    Heap& heap = attachment->kind->heap;
    const char* failedCall = "open";
    int error = region.open(options, &failedCall);
    if (error == 0) {
        failedCall = "mmap";
        error = heap.open(&region, heapOptions);
    }
    if (error == 0 && prefault) {
        failedCall = "fallocate";
        error = heap.commitAll();
        if (error == 0) {
            failedCall = "madvise";
            error = region.prefault();
        }
    }
    auto cache = std::make_shared<ThreadCache>();
    if (error == 0) {
        failedCall = "mmap";
        error = cache->open(region.capacity(), heap.unitShift());
    }
    if (error != 0) {
        throwSystemError(env, error, failedCall, directory.c_str());
        return env.Undefined();
    }
    const napi_value words =
        externalArrayBuffer<ThreadCache>(env, cache->words(), kCacheWords * sizeof(int32_t), cache);
    if (words == nullptr) return env.Undefined();
    heap.attach(cache.get());
    attachment->cache = std::move(cache);

    const syscalls::FileStatus& status = region.status();
    Napi::Object result = Napi::Object::New(env);
    result["cache"] = Napi::Value(env, words);
    result["capacity"] = static_cast<double>(region.capacity());
    result["unitShift"] = heap.unitShift();
    result["dax"] = status.isDax();
    result["deviceMajor"] = status.deviceMajor;
    result["deviceMinor"] = status.deviceMinor;
    result["id"] = static_cast<KindTable*>(info.Data())->add(std::move(attachment));
    return result;
}

// kindRefill(id, code): 0 or -errno
napi_value refill(napi_env env, napi_callback_info info) {
    const Call<1> call(env, info);
    Attachment* const at = call.attachment();
    return number(env, at == nullptr ? -EBADF : at->kind->heap.refill(at->cache.get(), call.uint32(0)));
}

// kindFlush(id, code): 0 or -errno
napi_value flush(napi_env env, napi_callback_info info) {
    const Call<1> call(env, info);
    Attachment* const at = call.attachment();
    return number(env, at == nullptr ? -EBADF : at->kind->heap.flush(at->cache.get(), call.uint32(0)));
}

// kindAllocateRun(id, units, alignment): 0 with the place in the cache's result words, or -errno
napi_value allocateRun(napi_env env, napi_callback_info info) {
    const Call<2> call(env, info);
    Attachment* const at = call.attachment();
    if (at == nullptr) return number(env, -EBADF);
    uint64_t offset;
    const int error = at->kind->heap.allocateRun(at->cache.get(), call.uint32(0), call.uint64(1), &offset);
    if (error == 0) {
        at->cache->word(kResultSegmentWord) = static_cast<int32_t>(offset >> kSegmentShift);
        at->cache->word(kResultOffsetWord) = static_cast<int32_t>(offset & ((1ull << kSegmentShift) - 1));
    }
    return number(env, error);
}

// kindFreeRun(id, segment, offset): 0 or -errno
napi_value freeRun(napi_env env, napi_callback_info info) {
    const Call<2> call(env, info);
    Attachment* const at = call.attachment();
    return number(env, at == nullptr ? -EBADF : at->kind->heap.freeRun(at->cache.get(), call.blockOffset(0)));
}

// kindResizeRun(id, segment, offset, units): 0 or -errno
napi_value resizeRun(napi_env env, napi_callback_info info) {
    const Call<3> call(env, info);
    Attachment* const at = call.attachment();
    return number(
        env, at == nullptr ? -EBADF : at->kind->heap.resizeRun(at->cache.get(), call.blockOffset(0), call.uint32(2)));
}

// kindWindow(id, segment, offset, length): an ArrayBuffer over that part of the region, cut at its end
napi_value window(napi_env env, napi_callback_info info) {
    const Call<3> call(env, info);
    Attachment* const at = call.attachment();
    const uint64_t from = call.blockOffset(0);
    if (at == nullptr || from >= at->kind->region->capacity()) return nullptr;
    const uint64_t length = std::min(call.uint64(2), at->kind->region->capacity() - from);
    return externalArrayBuffer<PmemFileRegion>(env, at->kind->region->base() + from, length, at->kind->region);
}

// kindPurge(id): bytes given back
napi_value purge(napi_env env, napi_callback_info info) {
    const Call<0> call(env, info);
    Attachment* const at = call.attachment();
    return number(env, at == nullptr ? 0.0 : static_cast<double>(at->kind->heap.purge(at->cache.get())));
}

// kindDecay(id, ageMs): whether there is still something that decays
napi_value decay(napi_env env, napi_callback_info info) {
    const Call<1> call(env, info);
    Attachment* const at = call.attachment();
    napi_value dirty;
    if (at != nullptr) at->kind->heap.decay(call.uint32(0));
    napi_get_boolean(env, at != nullptr && at->kind->heap.hasDirtyChunks(), &dirty);
    return dirty;
}

// kindStats(id)
napi_value stats(napi_env env, napi_callback_info info) {
    const Call<0> call(env, info);
    Attachment* const at = call.attachment();
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
    return result;
}

// kindClose(id)
napi_value closeKind(napi_env env, napi_callback_info info) {
    const Call<0> call(env, info);
    auto* const table = static_cast<KindTable*>(call.table);
    uint32_t id = UINT32_MAX;
    napi_get_value_uint32(env, call.values[0], &id);
    if (id < table->attachments.size() && table->attachments[id] != nullptr) {
        table->attachments[id].reset();
        table->unused.push_back(id);
    }
    return nullptr;
}

// detachArrayBuffer(arrayBuffer)
napi_value detach(napi_env env, napi_callback_info info) {
    size_t count = 1;
    napi_value buffer;
    napi_get_cb_info(env, info, &count, &buffer, nullptr, nullptr);
    bool is = false;
    if (napi_is_arraybuffer(env, buffer, &is) == napi_ok && is) napi_detach_arraybuffer(env, buffer);
    return nullptr;
}

// The tables and constants that JavaScript's fast path shares with the heap.
Napi::Object layout(Napi::Env env) {
    Napi::Object result = Napi::Object::New(env);
    Napi::Uint8Array classOfQuantum = Napi::Uint8Array::New(env, kMaxSlabSize / kSizeQuantum + 1);
    for (uint32_t i = 0; i <= kMaxSlabSize / kSizeQuantum; i++) {
        classOfQuantum[i] = static_cast<uint8_t>(classOf(i * kSizeQuantum));
    }
    Napi::Uint32Array classSizes = Napi::Uint32Array::New(env, kSlabClasses);
    for (uint32_t i = 0; i < kSlabClasses; i++) classSizes[i] = classSize(i);
    result["classOfQuantum"] = classOfQuantum;
    result["classSizes"] = classSizes;
    const auto set = [&result](const char* name, uint32_t value) { result[name] = value; };
    set("sizeQuantum", kSizeQuantum);
    set("maxSlabSize", kMaxSlabSize);
    set("runCode", kRunCode);
    set("runMagazines", kRunMagazines);
    set("magazineShift", kMagazineShift);
    set("unitsShift", kUnitsShift);
    set("magazineCode", kMagazineCode);
    set("cachedUnitsWord", kCachedUnitsWord);
    set("cachedUnitsLimitWord", kCachedUnitsLimitWord);
    set("resultSegmentWord", kResultSegmentWord);
    set("resultOffsetWord", kResultOffsetWord);
    set("segmentSize", 1u << kSegmentShift);
    set("dirtyWord", kDirtyWord);
    set("chunkSize", kChunkSize);
    return result;
}

}  // namespace

Napi::Object exportKind(Napi::Env env, Napi::Object exports) {
    auto* const table = new KindTable();
    // Runs when the environment ends, not at process.exit(): what then remains, the kernel takes back.
    napi_add_env_cleanup_hook(env, [](void* data) { delete static_cast<KindTable*>(data); }, table);

    const auto add = [&](const char* name, napi_callback callback) {
        napi_value function;
        napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, table, &function);
        exports.Set(name, Napi::Value(env, function));
    };
    exports["kindCreate"] = Napi::Function::New(env, create, "kindCreate", table);
    exports["kindLayout"] = layout(env);
    add("kindRefill", refill);
    add("kindFlush", flush);
    add("kindAllocateRun", allocateRun);
    add("kindFreeRun", freeRun);
    add("kindResizeRun", resizeRun);
    add("kindWindow", window);
    add("kindStats", stats);
    add("kindPurge", purge);
    add("kindDecay", decay);
    add("kindClose", closeKind);
    add("detachArrayBuffer", detach);
    return exports;
}

}  // namespace daxkind
