// The exports for mappings: mapDescriptor makes one and its ArrayBuffer, releaseMapping lets the file go at once. See
// mapping.h for when the addresses themselves are given back.
#include "binding/mapping.h"

#include "binding/addon.h"
#include "binding/call.h"
#include "binding/errors.h"
#include "binding/exports.h"
#include "binding/shown.h"
#include "binding/values.h"
#include "syscalls/mapping.h"
#include "syscalls/statx.h"

namespace daxkind {

MappedRange::~MappedRange() {
    syscalls::unmap(address, length);
}

uint32_t MappingTable::add(std::shared_ptr<MappedRange> range) {
    do lastId += 1;
    while (entries.count(lastId) != 0);
    entries.emplace(lastId, std::move(range));
    return lastId;
}

std::shared_ptr<MappedRange> MappingTable::find(uint32_t id) const {
    const auto found = entries.find(id);
    return found == entries.end() ? nullptr : found->second;
}

namespace {

// An ArrayBuffer's claim to a mapping; keeps the table alive for it.
struct Ownership {
    std::shared_ptr<MappingTable> table;
    uint32_t id;

    ~Ownership() { table->remove(id); }
};

// mapDescriptor(fd, offset, length, writable, sync, path?) -> { id, arrayBuffer }
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

    // JavaScript cannot be kept from storing into an ArrayBuffer, and a store into a read-only page kills the process.
    // So what may not be written is mapped copy-on-write: such a store stays private to this mapping.
    syscalls::MapOptions options;
    options.copyOnWrite = !writable;
    options.sync = writable && sync;
    void* address = nullptr;
    const size_t alignment = length >= syscalls::hugePageSize ? syscalls::hugePageSize : syscalls::pageSize();
    result = syscalls::mapFileAligned(fd, offset, length, options, alignment, &address);
    if (result != 0) return throwSystemError(env, result, "mmap", shownPath);
    result = syscalls::adviseDontFork(address, length);
    if (result != 0) {
        syscalls::unmap(address, length);
        return throwSystemError(env, result, "madvise", shownPath);
    }

    const std::shared_ptr<MappingTable>& table = AddonState::of(env).mappings;
    auto ownership = std::make_shared<Ownership>();
    ownership->table = table;
    ownership->id = table->add(std::make_shared<MappedRange>(address, length, file));
    const napi_value arrayBuffer = shownArrayBuffer(env, address, length, ownership);
    if (arrayBuffer == nullptr) return nullptr;
    Napi::Object made = Napi::Object::New(env);
    made.Set("id", Napi::Number::New(env, ownership->id));
    made.Set("arrayBuffer", Napi::Value(env, arrayBuffer));
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
        return throwInvalidState(env, "a fixed kind is open over the mapping; close it first");
    }
    const int result = syscalls::replaceWithAnonymous(entry->address, entry->length);
    if (result != 0) return throwSystemError(env, result, "mmap");
    entry->released = true;
    return boolean(env, true);
}

}  // namespace

void exportMapping(Napi::Env env, Napi::Object exports) {
    exportFunctions(env, exports, {{"mapDescriptor", mapDescriptor}, {"releaseMapping", releaseMapping}});
}

}  // namespace daxkind
