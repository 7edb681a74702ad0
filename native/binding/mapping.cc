// The exports for mappings. mapDescriptor, mapDaxDevice and mapAnonymous make a mapping and its ArrayBuffer.
// releaseMapping lets go of the file at once. mapping.h says when the addresses themselves are given back.
#include "binding/mapping.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "binding/addon.h"
#include "binding/call.h"
#include "binding/errors.h"
#include "binding/exports.h"
#include "binding/losses.h"
#include "binding/shown.h"
#include "binding/values.h"
#include "media/bad_blocks.h"
#include "region/caches.h"
#include "region/dax_device_mapping.h"
#include "region/loss_cause.h"
#include "syscalls/descriptor.h"
#include "syscalls/mapping.h"
#include "syscalls/sizes.h"
#include "syscalls/statfs.h"
#include "syscalls/statx.h"

namespace daxkind {

MappedRange::~MappedRange() {
    watch.end();
    syscalls::unmap(address, length);
}

std::vector<LossCause> MappedRange::causesOf(const std::vector<guard::Part>& parts) const {
    std::vector<LossCause> causes;
    if (device != nullptr) {
        for (const guard::Part& part : parts) causes.push_back(device->lossCause(part));
        return causes;
    }
    const auto isPoisoned = [](const guard::Part& part) { return part.isPoisoned; };
    const bool isKnown = std::all_of(parts.begin(), parts.end(), isPoisoned);
    const int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    const syscalls::Descriptor fd(isKnown || path.empty() ? -1 : open(path.c_str(), flags));
    syscalls::FileStatus status;
    const bool isSame = fd.isOpen() && syscalls::statxDescriptor(fd.get(), &status) == 0 &&
                        status.deviceMajor == file.deviceMajor && status.deviceMinor == file.deviceMinor &&
                        status.inode == file.inode;
    for (const guard::Part& part : parts) {
        if (isSame)
            causes.push_back(lossCauseInFile(fd.get(), {file.from + part.offset, part.length, part.isPoisoned}));
        else
            causes.push_back(part.isPoisoned ? LossCause::kMedia : LossCause::kUnknown);
    }
    return causes;
}

uint32_t MappingTable::add(std::shared_ptr<MappedRange> range) {
    do lastId_ += 1;
    while (entries_.count(lastId_) != 0);
    entries_.emplace(lastId_, std::move(range));
    return lastId_;
}

const std::shared_ptr<MappedRange>& MappingTable::find(uint32_t id) const {
    static const std::shared_ptr<MappedRange> none;
    const auto found = entries_.find(id);
    return found == entries_.end() ? none : found->second;
}

namespace {

// The inode of a mapping that is of no file.
constexpr uint64_t kNoInode = 0;

// The claim of all ArrayBuffers over a mapping. It keeps the table alive.
struct Claim {
    std::shared_ptr<MappingTable> table;
    uint32_t id;

    ~Claim() { table->remove(id); }
};

// [{ offset, length, cause }]
Napi::Array partsArray(Napi::Env env, const MappedRange& range, const std::vector<guard::Part>& parts) {
    Napi::Array array = Napi::Array::New(env, parts.size());
    const std::vector<LossCause> causes = range.causesOf(parts);
    for (uint32_t at = 0; at < parts.size(); at++) {
        Napi::Object object = Napi::Object::New(env);
        object["offset"] = static_cast<double>(parts[at].offset);
        object["length"] = static_cast<double>(range.bytesOf(parts[at]));
        object["cause"] = nameOf(causes[at]);
        array[at] = object;
    }
    return array;
}

// Gives JavaScript a new mapping: { id, arrayBuffer, knownBad }. The ArrayBuffer has the first `shown` bytes.
napi_value showMapping(Napi::Env env, const std::shared_ptr<MappedRange>& range, uint64_t shown) {
    const std::shared_ptr<MappingTable>& table = AddonState::of(env).mappings;
    const uint32_t id = table->add(range);
    const std::shared_ptr<void> claim(new Claim{table, id});
    range->claim = claim;
    const auto sink = std::make_shared<QueueSink>(LossQueue::of(env), true, id);
    range->listener = std::make_shared<guard::Watch::Listener>(
        [sink, weak = std::weak_ptr<MappedRange>(range)](const std::vector<guard::Part>& parts) {
            const std::shared_ptr<MappedRange> range = weak.lock();
            if (range == nullptr) return;
            const std::vector<LossCause> causes = range->causesOf(parts);
            for (size_t at = 0; at < parts.size(); at++) {
                Loss loss;
                loss.offset = parts[at].offset;
                loss.length = range->bytesOf(parts[at]);
                loss.cause = causes[at];
                // A kind over the mapping tells the same.
                loss.isHeard = range->users > 0;
                loss.isFirst = true;
                sink->lost(loss);
            }
        });
    range->watch.listen(range->listener);
    const napi_value arrayBuffer =
        shownArrayBuffer(env, range->address, std::min<uint64_t>(shown, range->length), claim);
    if (arrayBuffer == nullptr) return nullptr;
    Napi::Object made = Napi::Object::New(env);
    made.Set("id", Napi::Number::New(env, id));
    made.Set("arrayBuffer", Napi::Value(env, arrayBuffer));
    made.Set("knownBad", partsArray(env, *range, range->knownBad));
    return made;
}

// Has the guard watch a new mapping. A granule is the smallest part that can be replaced.
int watch(MappedRange* range, uint64_t granule, const char** failedCall) {
    const uint64_t page = syscalls::pageSize();
    return range->watch.begin(range->address, (range->length + page - 1) / page * page, granule, failedCall);
}

// mapDescriptor(fd, offset, length, isShared, sync, shown, path?) -> { id, arrayBuffer, knownBad }
napi_value mapDescriptor(napi_env env, napi_callback_info info) {
    Call call(env, info, 7);
    const auto [fd, offset, length] = call.descriptorRange();
    const bool isShared = call.boolean("isShared");
    const bool sync = call.boolean("sync");
    const uint64_t shown = call.uint64("shown");
    const auto path = call.optionalPath("path");
    if (call.isRefused()) return nullptr;
    const char* shownPath = path ? path->c_str() : nullptr;

    syscalls::FileStatus status;
    int result = syscalls::statxDescriptor(fd, &status);
    if (result != 0) return throwSystemError(env, result, "statx", shownPath);
    const bool isDax = status.dax().value_or(false);
    if (kCachesMayAlias && isDax) return throwSystemError(env, -ENOTSUP, "mmap", shownPath);

    syscalls::MapOptions options;
    options.copyOnWrite = !isShared;
    options.sync = isShared && sync;
    void* address = nullptr;
    result = syscalls::mapFileAligned(fd, offset, length, options, syscalls::alignmentFor(length), &address);
    if (result != 0) return throwSystemError(env, result, "mmap", shownPath);
    const FileRange file{status.deviceMajor, status.deviceMinor, status.inode, offset, offset + length};
    const auto range = std::make_shared<MappedRange>(address, length, file);
    const char* failedCall = "madvise";
    result = syscalls::adviseDontFork(address, length);
    if (result == 0) result = watch(range.get(), syscalls::mappingGranule(fd), &failedCall);
    if (result != 0) return throwSystemError(env, result, failedCall, shownPath);

    if (path) range->path = *path;
    // Without DAX the kernel itself reads and writes the medium. It reports bad blocks then.
    if (isDax) {
        const auto device = media::BadBlocks::ofBlockDevice(status.deviceMajor, status.deviceMinor);
        range->knownBad = media::badInFile(fd, offset, length, device);
    }
    return showMapping(env, range, shown);
}

// mapDaxDevice(path, offset, length, align, shown) -> { id, arrayBuffer, knownBad }
napi_value mapDaxDevice(napi_env env, napi_callback_info info) {
    Call call(env, info, 5);
    const std::string path = call.path("path");
    const uint64_t offset = call.uint64("offset");
    const uint64_t length = call.uint64("length");
    const uint64_t align = call.uint64("align");
    const uint64_t shown = call.uint64("shown");
    if (call.isRefused()) return nullptr;
    auto device = std::make_unique<DaxDeviceMapping>();
    const DaxDeviceOptions options{path.c_str(), offset, length, align};
    const char* failedCall = "";
    int result = device->map(options, DaxDeviceMapping::Use::kShared, &failedCall);
    if (result != 0) return throwSystemError(env, result, failedCall, path.c_str());
    const FileRange file{device->deviceMajor(), device->deviceMinor(), kNoInode, offset, offset + length};
    const auto range = std::make_shared<MappedRange>(device->address(), length, file);
    range->path = path;
    range->knownBad = device->knownBad(0, length);
    range->device = std::move(device);
    result = watch(range.get(), align, &failedCall);
    if (result != 0) return throwSystemError(env, result, failedCall, path.c_str());
    return showMapping(env, range, shown);
}

// mapAnonymous(length, shown) -> { id, arrayBuffer, knownBad }
napi_value mapAnonymous(napi_env env, napi_callback_info info) {
    Call call(env, info, 2);
    const uint64_t length = call.uint64("length");
    const uint64_t shown = call.uint64("shown");
    if (call.isRefused()) return nullptr;
    void* address = nullptr;
    int result = syscalls::mapAnonymousAligned(length, nullptr, syscalls::alignmentFor(length), &address);
    if (result != 0) return throwSystemError(env, result, "mmap");
    // No file has its bytes, so the address tells it apart from other memory.
    const auto from = reinterpret_cast<uintptr_t>(address);
    const FileRange file{0, 0, kNoInode, from, from + length};
    const auto range = std::make_shared<MappedRange>(address, length, file);
    const char* failedCall = "madvise";
    result = syscalls::adviseDontFork(address, length);
    if (result == 0) result = watch(range.get(), syscalls::pageSize(), &failedCall);
    if (result != 0) return throwSystemError(env, result, failedCall);
    return showMapping(env, range, shown);
}

// mappingPart(id, offset, length) -> ArrayBuffer
napi_value mappingPart(napi_env env, napi_callback_info info) {
    Call call(env, info, 3);
    const uint32_t id = call.uint32("id");
    const uint64_t offset = call.uint64("offset");
    const uint64_t length = call.uint64("length");
    if (call.isRefused()) return nullptr;
    const std::shared_ptr<MappingTable>& table = AddonState::of(env).mappings;
    MappedRange* const range = table->find(id).get();
    if (range == nullptr || range->released) return throwInvalidState(env, "the mapping is unmapped");
    if (offset > range->length || length > range->length - offset) {
        return throwOutOfRange(env, "offset + length", "at most " + std::to_string(range->length));
    }
    return shownArrayBuffer(env, range->address + offset, length, range->claim.lock());
}

// releaseMapping(id) -> boolean
napi_value releaseMapping(napi_env env, napi_callback_info info) {
    Call call(env, info, 1);
    const uint32_t id = call.uint32("id");
    if (call.isRefused()) return nullptr;
    const std::shared_ptr<MappedRange> entry = AddonState::of(env).mappings->find(id);
    if (entry == nullptr || entry->released) return boolean(env, false);
    if (entry->users > 0) {
        return throwInvalidState(env, "a fixed kind is open over the mapping; close that kind first");
    }
    // A job that has made the memory persistent looks at this afterwards, so it is true before.
    entry->released = true;
    const int result = syscalls::replaceWithAnonymous(entry->address, entry->length);
    if (result != 0) {
        entry->released = false;
        return throwSystemError(env, result, "mmap");
    }
    // A page that is lost in the meantime gets the same zeros.
    entry->watch.end();
    if (entry->device != nullptr) entry->device->release();
    return boolean(env, true);
}

// mappingErrors(id) -> [{ offset, length, cause }]
napi_value mappingErrors(napi_env env, napi_callback_info info) {
    Call call(env, info, 1);
    const uint32_t id = call.uint32("id");
    if (call.isRefused()) return nullptr;
    const MappedRange* const entry = AddonState::of(env).mappings->find(id).get();
    if (entry == nullptr) return Napi::Array::New(env);
    return partsArray(env, *entry, entry->watch.allLost());
}

}  // namespace

void exportMapping(Napi::Env env, Napi::Object exports) {
    exportFunctions(env, exports,
                    {{"mapDescriptor", mapDescriptor},
                     {"mapDaxDevice", mapDaxDevice},
                     {"mapAnonymous", mapAnonymous},
                     {"mappingPart", mappingPart},
                     {"releaseMapping", releaseMapping},
                     {"mappingErrors", mappingErrors}});
}

}  // namespace daxkind
