// The exports that store into mappings and make stores persistent. A mapping is named by its number, so that its memory
// cannot be gone, and a range is checked against the mapping itself.
#include <napi.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "binding/addon.h"
#include "binding/call.h"
#include "binding/errors.h"
#include "binding/exports.h"
#include "binding/external.h"
#include "binding/job.h"
#include "binding/mapping.h"
#include "binding/values.h"
#include "guard/watch.h"
#include "jobs/pace.h"
#include "media/ranges.h"
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

// A call on a mapping. Its numbers are in the environment's MappingRequest, because JavaScript writes a number there in
// the tenth part of the time that Node-API takes to fetch one.
class MappingCall {
  public:
    explicit MappingCall(napi_env env) : env_(env), state_(AddonState::of(env)), request_(*state_.mappingRequest) {}

    // The mapping. Null with an exception pending if it is not there any more.
    MappedRange* mapping() {
        const auto id = static_cast<uint32_t>(number(request_.id, "id", UINT32_MAX));
        if (isRefused_) return nullptr;
        range_ = state_.mappings->find(id).get();
        if (range_ != nullptr && !range_->released) return range_;
        throwInvalidState(env_, "the mapping is unmapped");
        isRefused_ = true;
        return nullptr;
    }
    // The address of a range of the mapping, likewise.
    char* at(double offset, uint64_t length) {
        const uint64_t start = number(offset, "offset", kLargestExactInteger);
        if (range_ == nullptr) mapping();
        if (isRefused_) return nullptr;
        if (start <= range_->length && length <= range_->length - start) return range_->address + start;
        throwOutOfRange(env_, "offset + length", "at most " + std::to_string(range_->length));
        isRefused_ = true;
        return nullptr;
    }
    char* target(uint64_t length) { return at(request_.offset, length); }
    char* source(uint64_t length) { return at(request_.from, length); }

    uint64_t length() { return number(request_.length, "length", kLargestExactInteger); }
    uint32_t how() { return static_cast<uint32_t>(number(request_.how, "how", UINT32_MAX)); }
    unsigned char value() { return static_cast<unsigned char>(number(request_.from, "value", UINT8_MAX)); }
    uint64_t count() { return number(request_.from, "count", kLargestExactInteger); }

    std::shared_ptr<MappedRange> share() const { return state_.mappings->find(static_cast<uint32_t>(request_.id)); }
    // Null if it is not known.
    const char* path() const { return range_->path.empty() ? nullptr : range_->path.c_str(); }

  private:
    // An integer from 0 to `most`, or 0 with an exception pending. The others are refused then, too.
    uint64_t number(double value, const char* name, double most) {
        if (isRefused_) return 0;
        // NaN fails the comparison.
        if (value >= 0 && value <= most) {
            const auto integer = static_cast<uint64_t>(value);
            if (static_cast<double>(integer) == value) return integer;
        }
        throwOutOfRange(env_, name, "an integer >= 0 and <= " + std::to_string(static_cast<uint64_t>(most)));
        isRefused_ = true;
        return 0;
    }

    const napi_env env_;
    AddonState& state_;
    const MappingRequest& request_;
    MappedRange* range_ = nullptr;
    bool isRefused_ = false;
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

void drainAs(uint32_t how) {
    if ((how & kHowDrained) != 0) persist::drain();
}

// After the drain: syncs a range as the caller wants it. A lost byte is on no medium, so it cannot be made persistent:
// -EFAULT.
int settleRange(const char* address, uint64_t length, uint32_t how, const char** failedCall) {
    // Where there is nothing to do, nothing is promised either.
    if (length == 0 || how == 0) return 0;
    const bool isSynced = (how & kHowSynced) != 0;
    *failedCall = isSynced ? "msync" : "flush";
    if (guard::isLost(address, length)) return -EFAULT;
    return isSynced ? syncRange(address, length, failedCall) : 0;
}

// The end of each call.
napi_value finish(napi_env env, const MappingCall& call, const char* address, uint64_t length, uint32_t how) {
    drainAs(how);
    const char* failedCall = "";
    const int result = settleRange(address, length, how, &failedCall);
    if (result != 0) throwSystemError(env, result, failedCall, call.path());
    return nullptr;
}

// mappingPersist()
napi_value mappingPersist(napi_env env, napi_callback_info) {
    MappingCall call(env);
    const uint64_t length = call.length();
    const uint32_t how = call.how();
    char* const at = call.target(length);
    if (at == nullptr) return nullptr;
    if ((how & kHowWay) != 0) persist::flush(at, length, persist::bestFlushInstruction());
    return finish(env, call, at, length, how);
}

// mappingWrite(source)
napi_value mappingWrite(napi_env env, napi_callback_info info) {
    Call arguments(env, info, 1);
    const ByteView source = arguments.bytes("source");
    if (arguments.isRefused()) return nullptr;
    MappingCall call(env);
    const uint32_t how = call.how();
    char* const at = call.target(source.length);
    if (at == nullptr) return nullptr;
    persist::move(at, source.data, source.length, wayOf(how, source.length));
    return finish(env, call, at, source.length, how);
}

// mappingFill()
napi_value mappingFill(napi_env env, napi_callback_info) {
    MappingCall call(env);
    const uint64_t length = call.length();
    const unsigned char value = call.value();
    const uint32_t how = call.how();
    char* const at = call.target(length);
    if (at == nullptr) return nullptr;
    persist::fill(at, value, length, wayOf(how, length));
    return finish(env, call, at, length, how);
}

// mappingMove()
napi_value mappingMove(napi_env env, napi_callback_info) {
    MappingCall call(env);
    const uint64_t length = call.length();
    const uint32_t how = call.how();
    char* const target = call.target(length);
    const char* const source = target == nullptr ? nullptr : call.source(length);
    if (source == nullptr) return nullptr;
    persist::move(target, source, length, wayOf(how, length));
    return finish(env, call, target, length, how);
}

// The ranges of some writes. If they are to be synced, each page is in one range only, so that it is synced once.
std::vector<media::Range> rangesOf(const Doubles& places, uint64_t count, bool isSynced, uint64_t end) {
    const uint64_t unit = isSynced ? syscalls::pageSize() : 1;
    std::vector<media::Range> ranges;
    for (uint64_t at = 0; at < count; at += 1) {
        const auto from = static_cast<uint64_t>(places.data[2 * at]);
        const auto length = static_cast<uint64_t>(places.data[2 * at + 1]);
        if (length == 0) continue;
        const uint64_t to = (from + length + unit - 1) / unit * unit;
        ranges.push_back({from / unit * unit, std::min(to, end)});
    }
    return isSynced ? media::normalized(std::move(ranges)) : ranges;
}

// mappingWriteAll(bytes, places)
napi_value mappingWriteAll(napi_env env, napi_callback_info info) {
    Call arguments(env, info, 2);
    const ByteView bytes = arguments.bytes("bytes");
    const Doubles places = arguments.doubles("places");
    if (arguments.isRefused()) return nullptr;
    MappingCall call(env);
    const uint64_t count = call.count();
    const uint32_t how = call.how();
    const MappedRange* const mapping = call.mapping();
    if (mapping == nullptr) return nullptr;
    if (places.length / 2 < count) return throwOutOfRange(env, "count", "at most half the length of places");
    const unsigned char* source = bytes.data;
    uint64_t left = bytes.length;
    for (uint64_t at = 0; at < count; at += 1) {
        const double offset = places.data[2 * at];
        const double size = places.data[2 * at + 1];
        // NaN fails the comparisons.
        const bool fits = offset >= 0 && size >= 0 && size <= static_cast<double>(left) &&
                          offset + size <= static_cast<double>(mapping->length);
        if (!fits) return throwOutOfRange(env, "places", "within the mapping and the bytes");
        const auto taken = static_cast<uint64_t>(size);
        persist::move(mapping->address + static_cast<uint64_t>(offset), source, taken, wayOf(how, taken));
        source += taken;
        left -= taken;
    }
    drainAs(how);
    const bool isSynced = (how & kHowSynced) != 0;
    const char* failedCall = "";
    for (const media::Range& range : rangesOf(places, count, isSynced, mapping->length)) {
        const char* const at = mapping->address + range.from;
        const int result = settleRange(at, range.to - range.from, how, &failedCall);
        if (result != 0) return throwSystemError(env, result, failedCall, call.path());
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

// mappingPersistAsync()
napi_value mappingPersistAsync(napi_env env, napi_callback_info) {
    MappingCall call(env);
    const uint64_t length = call.length();
    const uint32_t how = call.how();
    char* const address = call.target(length);
    if (address == nullptr) return nullptr;
    auto job = std::make_unique<Job>();
    const auto control = std::make_shared<JobControl>();
    control->total = static_cast<double>(length);
    if (call.path() != nullptr) job->path = call.path();
    job->step = [range = call.share(), address, length, how, control,
                 pace = Pace(kLeastStep, kMostStep)](const char** failedCall) mutable {
        *failedCall = "flush";
        if (range->released) return -ECANCELED;
        const auto done = static_cast<uint64_t>(control->done.load(std::memory_order_relaxed));
        const uint64_t bytes = std::min(pace.size(), length - done);
        const char* const at = address + done;
        const int result = pace.step([&](uint64_t) {
            if ((how & kHowWay) != 0) persist::flush(at, bytes, persist::bestFlushInstruction());
            // Each step may have another thread, and a fence is for the thread's own flushes.
            drainAs(how);
            return settleRange(at, bytes, how, failedCall);
        });
        if (result != 0) return result;
        // What was flushed in the meantime may have been other memory.
        if (range->released) return -ECANCELED;
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
    exports.Set("pastCachesFrom", static_cast<double>(persist::pastCachesFrom()));
    const auto request = std::make_shared<MappingRequest>();
    AddonState::of(env).mappingRequest = request;
    const napi_value seen = externalArrayBuffer(env, request.get(), sizeof(MappingRequest), request);
    if (seen != nullptr) exports.Set("mappingRequest", seen);
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
