// The exports that store into mappings and make stores persistent. A mapping is named by its number, so that its memory
// cannot be gone, and a range is checked against the mapping itself.
#include <napi.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include "binding/addon.h"
#include "binding/call.h"
#include "binding/errors.h"
#include "binding/exports.h"
#include "binding/job.h"
#include "binding/mapping.h"
#include "binding/values.h"
#include "guard/watch.h"
#include "jobs/pace.h"
#include "persist/cpu.h"
#include "persist/flush.h"
#include "persist/store.h"
#include "syscalls/mapping.h"
#include "syscalls/sizes.h"

namespace daxkind {

namespace {

using persist::FlushInstruction;
using persist::Way;

// What a call does besides its stores. JavaScript adds these numbers (lib/native/mappings.ts).
enum How : uint32_t {
    // The way of the stores, or of a flush: nothing but ordinary stores; with a flush; past the caches; past the caches
    // if that is the faster way for so many bytes.
    kHowFlushed = 1,
    kHowPastCaches = 2,
    kHowEither = 3,
    kHowWay = 3,
    // A fence at the end.
    kHowDrained = 4,
    // msync of the range at the end.
    kHowSynced = 8,
};

Way wayOf(uint32_t how, uint64_t length) {
    switch (how & kHowWay) {
        case kHowFlushed:
            return Way::kFlushed;
        case kHowPastCaches:
            return Way::kPastCaches;
        case kHowEither:
            return length < persist::pastCachesFrom() ? Way::kFlushed : Way::kPastCaches;
        default:
            return Way::kCached;
    }
}

// A call on a mapping. All begin with its number.
class MappingCall : public Call {
  public:
    MappingCall(napi_env env, napi_callback_info info, size_t count)
        : Call(env, info, count), environment_(env), id_(uint32("id")) {}

    // The mapping, when all arguments are taken. Null with an exception pending if one was refused, or the mapping is
    // not there any more.
    MappedRange* mapping() {
        if (isRefused()) return nullptr;
        range_ = AddonState::of(environment_).mappings->look(id_);
        if (range_ != nullptr && !range_->released) return range_;
        throwInvalidState(environment_, "the mapping is unmapped");
        return nullptr;
    }
    // The address of a range of mapping(), likewise.
    char* at(uint64_t offset, uint64_t length) {
        if (range_ == nullptr && mapping() == nullptr) return nullptr;
        if (offset <= range_->length && length <= range_->length - offset) return range_->address + offset;
        throwOutOfRange(environment_, "offset + length", "at most " + std::to_string(range_->length));
        return nullptr;
    }
    std::shared_ptr<MappedRange> share() const { return AddonState::of(environment_).mappings->find(id_); }
    const std::string& path() const { return range_->path; }

  private:
    const napi_env environment_;
    const uint32_t id_;
    MappedRange* range_ = nullptr;
};

// msync of a range. It passes over pages that a truncated file has lost, without an error. A truncated file has lost
// all pages from some page on, so it is enough to look at the last page. The look comes after msync, so that no page is
// lost in between.
int syncRange(const char* address, uint64_t length, const char** failedCall) {
    *failedCall = "msync";
    const int result = syscalls::syncPages(address, length);
    if (result != 0) return result;
    *failedCall = "madvise";
    return syscalls::checkPage(address + length - 1);
}

// Drains and syncs as the caller wants it. A lost byte is on no medium, so it cannot be made persistent: -EFAULT.
int persistRange(const char* address, uint64_t length, uint32_t how, const char** failedCall) {
    if ((how & kHowDrained) != 0) persist::drain();
    if (length == 0 || (how & (kHowSynced | kHowWay)) == 0) return 0;
    const bool isSynced = (how & kHowSynced) != 0;
    *failedCall = isSynced ? "msync" : "flush";
    if (guard::isLost(address, length)) return -EFAULT;
    return isSynced ? syncRange(address, length, failedCall) : 0;
}

// The end of each call.
napi_value finish(napi_env env, const std::string& path, const char* address, uint64_t length, uint32_t how) {
    const char* failedCall = "";
    const int result = persistRange(address, length, how, &failedCall);
    if (result != 0) throwSystemError(env, result, failedCall, path.empty() ? nullptr : path.c_str());
    return nullptr;
}

// mappingPersist(id, offset, length, how)
napi_value mappingPersist(napi_env env, napi_callback_info info) {
    MappingCall call(env, info, 4);
    const uint64_t offset = call.uint64("offset");
    const uint64_t length = call.uint64("length");
    const uint32_t how = call.uint32("how");
    char* const at = call.at(offset, length);
    if (at == nullptr) return nullptr;
    if ((how & kHowWay) != 0) persist::flush(at, length, persist::bestFlushInstruction());
    return finish(env, call.path(), at, length, how);
}

// mappingWrite(id, offset, source, how)
napi_value mappingWrite(napi_env env, napi_callback_info info) {
    MappingCall call(env, info, 4);
    const uint64_t offset = call.uint64("offset");
    const ByteView source = call.bytes("source");
    const uint32_t how = call.uint32("how");
    char* const at = call.at(offset, source.length);
    if (at == nullptr) return nullptr;
    persist::move(at, source.data, source.length, wayOf(how, source.length));
    return finish(env, call.path(), at, source.length, how);
}

// mappingFill(id, offset, length, value, how)
napi_value mappingFill(napi_env env, napi_callback_info info) {
    MappingCall call(env, info, 5);
    const uint64_t offset = call.uint64("offset");
    const uint64_t length = call.uint64("length");
    const auto value = static_cast<unsigned char>(call.integer("value", 0, UINT8_MAX));
    const uint32_t how = call.uint32("how");
    char* const at = call.at(offset, length);
    if (at == nullptr) return nullptr;
    persist::fill(at, value, length, wayOf(how, length));
    return finish(env, call.path(), at, length, how);
}

// mappingMove(id, to, from, length, how)
napi_value mappingMove(napi_env env, napi_callback_info info) {
    MappingCall call(env, info, 5);
    const uint64_t to = call.uint64("to");
    const uint64_t from = call.uint64("from");
    const uint64_t length = call.uint64("length");
    const uint32_t how = call.uint32("how");
    char* const target = call.at(to, length);
    const char* const source = target == nullptr ? nullptr : call.at(from, length);
    if (source == nullptr) return nullptr;
    persist::move(target, source, length, wayOf(how, length));
    return finish(env, call.path(), target, length, how);
}

// mappingWriteAll(id, bytes, places, count, how)
napi_value mappingWriteAll(napi_env env, napi_callback_info info) {
    MappingCall call(env, info, 5);
    const ByteView bytes = call.bytes("bytes");
    const napi_value places = call.object("places");
    const uint64_t count = call.uint64("count");
    const uint32_t how = call.uint32("how");
    const MappedRange* const mapping = call.mapping();
    if (mapping == nullptr) return nullptr;
    napi_typedarray_type type = napi_int8_array;
    size_t length = 0;
    void* data = nullptr;
    napi_get_typedarray_info(env, places, &type, &length, &data, nullptr, nullptr);
    if (type != napi_float64_array) return throwInvalidArgType(env, "places", "an instance of Float64Array");
    if (length / 2 < count) return throwOutOfRange(env, "count", "at most half the length of places");
    const auto* const numbers = static_cast<const double*>(data);
    const unsigned char* source = bytes.data;
    uint64_t left = bytes.length;
    for (uint64_t at = 0; at < count; at += 1) {
        const double offset = numbers[2 * at];
        const double size = numbers[2 * at + 1];
        // NaN fails the comparisons.
        const bool fits = offset >= 0 && size >= 0 && size <= static_cast<double>(left) &&
                          offset + size <= static_cast<double>(mapping->length);
        if (!fits) return throwOutOfRange(env, "places", "within the mapping and the bytes");
        const auto taken = static_cast<uint64_t>(size);
        persist::move(mapping->address + static_cast<uint64_t>(offset), source, taken, wayOf(how, taken));
        source += taken;
        left -= taken;
    }
    if ((how & kHowDrained) != 0) persist::drain();
    for (uint64_t at = 0; at < count; at += 1) {
        const char* const target = mapping->address + static_cast<uint64_t>(numbers[2 * at]);
        finish(env, call.path(), target, static_cast<uint64_t>(numbers[2 * at + 1]), how & ~kHowDrained);
        bool isPending = false;
        if (napi_is_exception_pending(env, &isPending) != napi_ok || isPending) return nullptr;
    }
    return nullptr;
}

// drain()
napi_value drain(napi_env, napi_callback_info) {
    persist::drain();
    return nullptr;
}

// The least and the most bytes of a step of mappingPersistAsync.
constexpr uint64_t kLeastStep = kMiB;
constexpr uint64_t kMostStep = 256 * kMiB;

// mappingPersistAsync(id, offset, length, how)
napi_value mappingPersistAsync(napi_env env, napi_callback_info info) {
    MappingCall call(env, info, 4);
    const uint64_t offset = call.uint64("offset");
    const uint64_t length = call.uint64("length");
    const uint32_t how = call.uint32("how");
    if (call.at(offset, length) == nullptr) return nullptr;
    auto job = std::make_unique<Job>();
    const auto control = std::make_shared<JobControl>();
    control->total = static_cast<double>(length);
    job->path = call.path();
    job->step = [range = call.share(), offset, length, how, control,
                 pace = Pace(kLeastStep, kMostStep)](const char** failedCall) mutable {
        if (range->released) return -ECANCELED;
        const auto done = static_cast<uint64_t>(control->done.load(std::memory_order_relaxed));
        const uint64_t bytes = std::min(pace.size(), length - done);
        const char* const at = range->address + offset + done;
        const int result = pace.step([&](uint64_t) {
            if ((how & kHowWay) != 0) persist::flush(at, bytes, persist::bestFlushInstruction());
            // Each step may have another thread, and a fence is for the thread's own flushes.
            return persistRange(at, bytes, how, failedCall);
        });
        if (result != 0) return result;
        control->done.store(static_cast<double>(done + bytes), std::memory_order_relaxed);
        return done + bytes < length ? kMore : 0;
    };
    return startJob(env, std::move(job), control);
}

// The names of the instructions that this processor has, the best one first. "none" is not among them.
Napi::Array instructionNames(Napi::Env env) {
    Napi::Array names = Napi::Array::New(env);
    for (size_t index = persist::kFlushInstructions - 1; index > 0; index -= 1) {
        const auto instruction = static_cast<FlushInstruction>(index);
        if (persist::hasInstruction(instruction)) names.Set(names.Length(), persist::nameOf(instruction));
    }
    return names;
}

}  // namespace

void exportPersist(Napi::Env env, Napi::Object exports) {
    exports.Set("flushInstructions", instructionNames(env));
    exportFunctions(env, exports,
                    {{"mappingPersist", mappingPersist},
                     {"mappingWrite", mappingWrite},
                     {"mappingFill", mappingFill},
                     {"mappingMove", mappingMove},
                     {"mappingWriteAll", mappingWriteAll},
                     {"mappingPersistAsync", mappingPersistAsync},
                     {"drain", drain}});
}

}  // namespace daxkind
