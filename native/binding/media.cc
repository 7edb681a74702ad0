// The exports for bad blocks: the kernel's lists, which files are on them, and their repair; see media/.
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "binding/call.h"
#include "binding/errors.h"
#include "binding/exports.h"
#include "binding/job.h"
#include "binding/values.h"
#include "binding/walk_failure.h"
#include "media/bad_blocks.h"
#include "media/page_repair.h"
#include "media/quarantine.h"
#include "media/ranges.h"
#include "media/tree_scan.h"

namespace daxkind {

namespace {

constexpr const char* kSys = "/sys";

// The doubles in a view of bytes, which need not be aligned.
std::vector<double> doublesOf(const ByteView& view) {
    std::vector<double> numbers(view.length / sizeof(double));
    if (!numbers.empty()) std::memcpy(numbers.data(), view.data, numbers.size() * sizeof(double));
    return numbers;
}

uint64_t bytesOf(double number) {
    return number > 0 && number <= static_cast<double>(kLargestExactInteger) ? static_cast<uint64_t>(number) : 0;
}

// Pairs of an offset and a length, in bytes.
std::vector<media::Range> rangesOf(const ByteView& view) {
    const std::vector<double> numbers = doublesOf(view);
    std::vector<media::Range> ranges;
    for (size_t n = 0; n + 1 < numbers.size(); n += 2) {
        const uint64_t from = bytesOf(numbers[n]);
        ranges.push_back({from, from + bytesOf(numbers[n + 1])});
    }
    return media::normalized(std::move(ranges));
}

Napi::Float64Array arrayOf(Napi::Env env, const std::vector<double>& numbers) {
    Napi::Float64Array array = Napi::Float64Array::New(env, numbers.size());
    for (size_t n = 0; n < numbers.size(); ++n) array[n] = numbers[n];
    return array;
}

uint64_t unitOf(Call& call) {
    return static_cast<uint64_t>(call.integer("unit", 1, 1 << 20));
}

// badBlocksOf(major, minor, isDaxDevice, sys?)
napi_value badBlocksOf(napi_env env, napi_callback_info info) {
    Call call(env, info, 4);
    const uint32_t major = call.uint32("major");
    const uint32_t minor = call.uint32("minor");
    const bool isDaxDevice = call.boolean("isDaxDevice");
    const std::string sys = call.optionalPath("sys").value_or(kSys);
    if (call.isRefused()) return nullptr;
    const auto device = isDaxDevice ? media::BadBlocks::ofDaxDevice(major, minor, sys)
                                    : media::BadBlocks::ofBlockDevice(major, minor, sys);
    const std::vector<std::string> sources = device.sources();
    std::vector<double> numbers;
    for (const media::ListedRange& listed : device.readListed()) {
        size_t source = 0;
        while (source < sources.size() && sources[source] != listed.source) ++source;
        numbers.push_back(static_cast<double>(listed.here.from));
        numbers.push_back(static_cast<double>(listed.here.to - listed.here.from));
        numbers.push_back(static_cast<double>(source));
        numbers.push_back(static_cast<double>(listed.there));
    }
    Napi::Array names = Napi::Array::New(env, sources.size());
    for (size_t n = 0; n < sources.size(); ++n) names.Set(static_cast<uint32_t>(n), sources[n]);
    Napi::Object object = Napi::Object::New(env);
    object.Set("ranges", arrayOf(env, numbers));
    object.Set("sources", names);
    object.Set("doubt", device.doubt());
    return object;
}

// badRangesIn(bad, extents, unit)
napi_value badRangesIn(napi_env env, napi_callback_info info) {
    Call call(env, info, 3);
    const ByteView bad = call.bytes("bad");
    const ByteView extents = call.bytes("extents");
    const uint64_t unit = unitOf(call);
    if (call.isRefused()) return nullptr;
    const std::vector<double> numbers = doublesOf(extents);
    std::vector<syscalls::Extent> list;
    for (size_t n = 0; n + 3 < numbers.size(); n += 4) {
        list.push_back({bytesOf(numbers[n]), bytesOf(numbers[n + 1]), bytesOf(numbers[n + 2]),
                        static_cast<uint32_t>(bytesOf(numbers[n + 3]))});
    }
    std::vector<double> found;
    for (const media::Range& range : media::inFile(rangesOf(bad), list, unit)) {
        found.push_back(static_cast<double>(range.from));
        found.push_back(static_cast<double>(range.to - range.from));
    }
    return arrayOf(env, found);
}

Napi::Value valueOf(Napi::Env env, const media::TreeScan& scan) {
    Napi::Array hits = Napi::Array::New(env, scan.hits.size());
    for (size_t n = 0; n < scan.hits.size(); ++n) {
        const media::ScanHit& hit = scan.hits[n];
        std::vector<double> parts;
        for (const media::Placed& part : hit.parts) {
            parts.push_back(static_cast<double>(part.from));
            parts.push_back(static_cast<double>(part.length));
            parts.push_back(static_cast<double>(part.device));
            parts.push_back(part.flags);
        }
        Napi::Object object = Napi::Object::New(env);
        object.Set("path", Napi::Buffer<char>::Copy(env, hit.path.data(), hit.path.size()));
        object.Set("isDirectory", hit.isDirectory);
        object.Set("inode", Napi::BigInt::New(env, hit.inode));
        object.Set("links", hit.links);
        object.Set("size", static_cast<double>(hit.size));
        object.Set("parts", arrayOf(env, parts));
        hits.Set(static_cast<uint32_t>(n), object);
    }
    Napi::Array failures = Napi::Array::New(env, scan.failures.size());
    for (size_t n = 0; n < scan.failures.size(); ++n) {
        failures.Set(static_cast<uint32_t>(n), failureObject(env, scan.failures[n]));
    }
    Napi::Object object = Napi::Object::New(env);
    object.Set("files", Napi::Number::New(env, scan.control->files));
    object.Set("directories", Napi::Number::New(env, scan.control->directories));
    object.Set("hits", hits);
    object.Set("failures", failures);
    object.Set("isSilent", scan.isSilent);
    object.Set("hasRealtime", scan.hasRealtime);
    return object;
}

// scanBadBlocksAsync(top, bad, unit)
napi_value scanBadBlocksAsync(napi_env env, napi_callback_info info) {
    Call call(env, info, 3);
    const std::string top = call.path("top");
    const ByteView bad = call.bytes("bad");
    const uint64_t unit = unitOf(call);
    if (call.isRefused()) return nullptr;
    const auto scan = std::make_shared<media::TreeScan>(top, rangesOf(bad), unit);
    auto job = std::make_unique<Job>();
    job->path = top;
    job->step = [scan](const char** failedCall) { return scan->step(failedCall); };
    job->value = [scan](Napi::Env env) { return valueOf(env, *scan); };
    return startJob(env, std::move(job), scan->control);
}

Napi::Value valueOf(Napi::Env env, const std::vector<media::PageResult>& results) {
    Napi::Array array = Napi::Array::New(env, results.size());
    for (size_t n = 0; n < results.size(); ++n) {
        const media::PageResult& result = results[n];
        Napi::Object object = Napi::Object::New(env);
        object.Set("offset", static_cast<double>(result.from));
        object.Set("length", static_cast<double>(result.length));
        object.Set("outcome", media::nameOf(result.outcome));
        object.Set("lost", static_cast<double>(result.lost));
        object.Set("isMoved", result.isMoved);
        object.Set("errno", result.error);
        object.Set("syscall", result.call);
        array.Set(static_cast<uint32_t>(n), object);
    }
    return array;
}

// Starts a repair that gives a list of results.
template <typename Repair>
Napi::Value startRepair(Napi::Env env, const std::string& path, std::shared_ptr<Repair> repair) {
    auto job = std::make_unique<Job>();
    job->path = path;
    job->step = [repair](const char** failedCall) { return repair->step(failedCall); };
    job->value = [repair](Napi::Env env) { return valueOf(env, repair->results); };
    return startJob(env, std::move(job), repair->control);
}

// repairPagesAsync(path, isDevice, ranges, unit, zeros, reallocates, backup?)
napi_value repairPagesAsync(napi_env env, napi_callback_info info) {
    Call call(env, info, 7);
    media::PageRepairRequest request;
    request.path = call.path("path");
    request.isDevice = call.boolean("isDevice");
    const ByteView parts = call.bytes("ranges");
    request.unit = unitOf(call);
    request.zeros = call.boolean("zeros");
    request.reallocates = call.boolean("reallocates");
    request.backup = call.optionalPath("backup").value_or("");
    request.sys = kSys;
    if (call.isRefused()) return nullptr;
    request.parts = rangesOf(parts);
    const std::string path = request.path;
    return startRepair(env, path, std::make_shared<media::PageRepair>(std::move(request)));
}

// quarantineFileAsync(path, keptAs, unit, zeros, backup?)
napi_value quarantineFileAsync(napi_env env, napi_callback_info info) {
    Call call(env, info, 5);
    media::QuarantineRequest request;
    request.path = call.path("path");
    request.keptAs = call.path("keptAs");
    request.unit = unitOf(call);
    request.zeros = call.boolean("zeros");
    request.backup = call.optionalPath("backup").value_or("");
    request.sys = kSys;
    if (call.isRefused()) return nullptr;
    const std::string path = request.path;
    return startRepair(env, path, std::make_shared<media::Quarantine>(std::move(request)));
}

}  // namespace

void exportMedia(Napi::Env env, Napi::Object exports) {
    exportFunctions(env, exports,
                    {{"badBlocksOf", badBlocksOf},
                     {"badRangesIn", badRangesIn},
                     {"scanBadBlocksAsync", scanBadBlocksAsync},
                     {"repairPagesAsync", repairPagesAsync},
                     {"quarantineFileAsync", quarantineFileAsync}});
}

}  // namespace daxkind
