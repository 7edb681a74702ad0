// The exports for mappings. mapDescriptor makes a mapping and its ArrayBuffer. releaseMapping lets go of the file at
// once. mapping.h says when the addresses themselves are given back.
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
    const auto isPoisoned = [](const guard::Part& part) { return part.isPoisoned; };
    const bool isKnown = std::all_of(parts.begin(), parts.end(), isPoisoned);
    const int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    const syscalls::Descriptor fd(isKnown || path.empty() ? -1 : open(path.c_str(), flags));
    syscalls::FileStatus status;
    const bool isSame = fd.isOpen() && syscalls::statxDescriptor(fd.get(), &status) == 0 &&
                        status.deviceMajor == file.deviceMajor && status.deviceMinor == file.deviceMinor &&
                        status.inode == file.inode;
    std::vector<LossCause> causes;
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

std::shared_ptr<MappedRange> MappingTable::find(uint32_t id) const {
    const auto found = entries_.find(id);
    return found == entries_.end() ? nullptr : found->second;
}

namespace {

// An ArrayBuffer's claim to a mapping. It keeps the table alive.
struct Ownership {
    std::shared_ptr<MappingTable> table;
    uint32_t id;

    ~Ownership() { table->remove(id); }
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

// mapDescriptor(fd, offset, length, writable, sync, path?) -> { id, arrayBuffer, knownBad }
napi_value mapDescriptor(napi_env env, napi_callback_info info) {
    Call call(env, info, 6);
    const auto [fd, offset, length] = call.descriptorRange();
    const bool writable = call.boolean("writable");
    const bool sync = call.boolean("sync");
    const auto path = call.optionalPath("path");
    if (call.isRefused()) return nullptr;
    const char* shownPath = path ? path->c_str() : nullptr;

    syscalls::FileStatus status;
    int result = syscalls::statxDescriptor(fd, &status);
    if (result != 0) return throwSystemError(env, result, "statx", shownPath);
    const FileRange file{status.deviceMajor, status.deviceMinor, status.inode, offset, offset + length};

    // Nothing can keep JavaScript from storing into an ArrayBuffer, and a store into a read-only page kills the
    // process. So a file that may not be written is mapped copy-on-write: such a store stays private to this mapping.
    syscalls::MapOptions options;
    options.copyOnWrite = !writable;
    options.sync = writable && sync;
    void* address = nullptr;
    const size_t alignment = length >= kHugePageSize ? kHugePageSize : syscalls::pageSize();
    if (kCachesMayAlias && status.dax().value_or(false)) return throwSystemError(env, -ENOTSUP, "mmap", shownPath);
    result = syscalls::mapFileAligned(fd, offset, length, options, alignment, &address);
    if (result != 0) return throwSystemError(env, result, "mmap", shownPath);
    result = syscalls::adviseDontFork(address, length);
    if (result != 0) {
        syscalls::unmap(address, length);
        return throwSystemError(env, result, "madvise", shownPath);
    }

    auto range = std::make_shared<MappedRange>(address, length, file);
    const uint64_t pages = (length + syscalls::pageSize() - 1) / syscalls::pageSize() * syscalls::pageSize();
    const char* failedCall = "";
    result = range->watch.begin(address, pages, syscalls::mappingGranule(fd), &failedCall);
    if (result != 0) return throwSystemError(env, result, failedCall, shownPath);

    const std::shared_ptr<MappingTable>& table = AddonState::of(env).mappings;
    auto ownership = std::make_shared<Ownership>();
    ownership->table = table;
    ownership->id = table->add(range);
    if (path) range->path = *path;
    // Without DAX the kernel itself reads and writes the medium. It reports bad blocks then.
    if (status.dax().value_or(false)) {
        const auto device = media::BadBlocks::ofBlockDevice(status.deviceMajor, status.deviceMinor);
        range->knownBad = media::badInFile(fd, offset, length, device);
    }
    const auto sink = std::make_shared<QueueSink>(LossQueue::of(env), true, ownership->id);
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
    const napi_value arrayBuffer = shownArrayBuffer(env, address, length, ownership);
    if (arrayBuffer == nullptr) return nullptr;
    Napi::Object made = Napi::Object::New(env);
    made.Set("id", Napi::Number::New(env, ownership->id));
    made.Set("arrayBuffer", Napi::Value(env, arrayBuffer));
    made.Set("knownBad", partsArray(env, *range, range->knownBad));
    return made;
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
    const int result = syscalls::replaceWithAnonymous(entry->address, entry->length);
    if (result != 0) return throwSystemError(env, result, "mmap");
    // A page that is lost in the meantime gets the same zeros.
    entry->watch.end();
    entry->released = true;
    return boolean(env, true);
}

// mappingErrors(id) -> [{ offset, length, cause }]
napi_value mappingErrors(napi_env env, napi_callback_info info) {
    Call call(env, info, 1);
    const uint32_t id = call.uint32("id");
    if (call.isRefused()) return nullptr;
    const std::shared_ptr<MappedRange> entry = AddonState::of(env).mappings->find(id);
    if (entry == nullptr) return Napi::Array::New(env);
    return partsArray(env, *entry, entry->watch.allLost());
}

}  // namespace

void exportMapping(Napi::Env env, Napi::Object exports) {
    exportFunctions(
        env, exports,
        {{"mapDescriptor", mapDescriptor}, {"releaseMapping", releaseMapping}, {"mappingErrors", mappingErrors}});
}

}  // namespace daxkind
