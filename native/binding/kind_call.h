// A call of an export of kinds: the arguments that call.h does not have.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "binding/call.h"
#include "binding/hold.h"
#include "kind/making.h"

namespace daxkind {

class KindCall : public Call {
  public:
    using Call::Call;

    HoldTable& holds() const { return *static_cast<HoldTable*>(data()); }
    int64_t id() { return integer("id"); }
    // The hold that this argument names. Null if there is none, or no longer.
    Hold* hold() {
        const int64_t number = id();
        return isRefused() ? nullptr : holds().find(number);
    }
    // Two arguments, a segment and an offset in it. Gives the offset in the region.
    uint64_t place() {
        const uint64_t segment = uint32("segment");
        return (segment << kSegmentShift) + uint32("offset");
    }
    // The length of a run. A number that is too large for 32 bits becomes the largest one: no run is so long.
    uint32_t units() {
        return static_cast<uint32_t>(std::min<uint64_t>(uint64("units"), std::numeric_limits<uint32_t>::max()));
    }
    // The code of a block (heap/thread_cache.h): a size class, or the length of a run, which is at least one unit.
    uint32_t code() {
        const uint32_t code = uint32("code");
        if (!isRefused() && !isCode(code)) refuseRange("code", "the code of a block");
        return code;
    }
    ReferenceSort referenceSort() {
        constexpr auto kLast = static_cast<int64_t>(ReferenceSort::kGuarded);
        return static_cast<ReferenceSort>(integer("sort", 0, kLast));
    }
    // Takes seven arguments. They are not an object, because reading its properties fails in a worker that is being
    // terminated.
    PmemKindRequest pmemKindRequest() {
        PmemKindRequest request;
        request.directory = path("directory");
        request.maxSize = maxSize();
        request.conservative = boolean("conservative");
        request.decayMs = static_cast<uint32_t>(integer("decayMs", 1, kMostDecayMs));
        request.sync = boolean("sync");
        request.prefault = boolean("prefault");
        request.debug = boolean("debug");
        return request;
    }
    // Takes seven arguments.
    DeviceKindRequest deviceKindRequest() {
        DeviceKindRequest request;
        request.path = path("path");
        request.offset = uint64("offset");
        request.size = uint64("size");
        request.align = uint64("align");
        const bool isWhole = request.align > 0 && (request.offset | request.size) % request.align == 0;
        if (!isRefused() && (!isWhole || request.size == 0)) refuseRange("size", "a multiple of align");
        request.scrub = boolean("scrub");
        request.prefault = boolean("prefault");
        request.debug = boolean("debug");
        return request;
    }
    // Takes seven arguments.
    NodeKindRequest nodeKindRequest() {
        NodeKindRequest request;
        request.path = path("path");
        request.nodes.nodes = nodes("nodes");
        request.nodes.policy = static_cast<syscalls::NumaPolicy>(integer("policy", 0, 2));
        request.nodes.hugePages = static_cast<NumaNodesOptions::HugePages>(integer("hugePages", 0, 2));
        request.nodes.capacity = maxSize();
        request.prefault = boolean("prefault");
        request.debug = boolean("debug");
        return request;
    }

  private:
    // A day. That is far below 2^31 ms, beyond which the heap's clock could not tell before from after.
    static constexpr int64_t kMostDecayMs = 86'400'000;

    uint64_t maxSize() {
        // The facade may have rounded the largest exact integer up.
        const auto bytes = static_cast<uint64_t>(integer("maxSize", 0, kLargestExactInteger + 1));
        if (bytes % kChunkSize != 0) refuseRange("maxSize", "a multiple of chunkSize");
        return bytes;
    }
    // The numbers of NUMA nodes. Each takes two bytes, the low one first, so that nothing has to be read out of an
    // array.
    std::vector<int> nodes(const char* name) {
        const ByteView given = bytes(name);
        std::vector<int> all;
        for (size_t at = 0; at + 1 < given.length; at += 2) all.push_back(given.data[at] | given.data[at + 1] << 8);
        const auto isBeyond = [](int node) { return node >= syscalls::kMostNodes; };
        const bool isRight = !all.empty() && std::none_of(all.begin(), all.end(), isBeyond);
        if (!isRefused() && !isRight) refuseRange(name, "the numbers of one or more nodes");
        return all;
    }
    static bool isCode(uint32_t code) {
        if (code < kRunCode) return code < kSlabClasses;
        const uint32_t units = unitsOf(code);
        return units > 0 && magazineOf(code) == kRunCode + units % kRunMagazines;
    }
};

// The exports that make a kind. `make` does it, on the calling thread or on a thread of its own.
using Make = napi_value (*)(napi_env env, KindCall& call, std::unique_ptr<Making> making);

template <Make make, typename Request>
napi_value makeBy(napi_env env, napi_callback_info info, size_t count, Request (KindCall::*requested)()) {
    KindCall call(env, info, count);
    Request request = (call.*requested)();
    return call.isRefused() ? nullptr : make(env, call, making(std::move(request)));
}

// (directory, maxSize, conservative, decayMs, sync, prefault, debug)
template <Make make>
napi_value makePmem(napi_env env, napi_callback_info info) {
    return makeBy<make>(env, info, 7, &KindCall::pmemKindRequest);
}

// (path, offset, size, align, scrub, prefault, debug)
template <Make make>
napi_value makeDevice(napi_env env, napi_callback_info info) {
    return makeBy<make>(env, info, 7, &KindCall::deviceKindRequest);
}

// (path, nodes, policy, hugePages, maxSize, prefault, debug)
template <Make make>
napi_value makeNode(napi_env env, napi_callback_info info) {
    return makeBy<make>(env, info, 7, &KindCall::nodeKindRequest);
}

}  // namespace daxkind
