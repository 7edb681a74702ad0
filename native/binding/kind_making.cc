#include "binding/kind_making.h"

#include <algorithm>
#include <cerrno>

#include "region/pmem_file.h"

namespace daxkind {

namespace {

// 16 huge pages: some milliseconds, between two looks at whether it is wanted any more.
constexpr uint64_t kPrefaultStep = 32 * 1024 * 1024;

}  // namespace

int prefaultKind(Kind& kind, bool whileHeld, JobControl& control, const char** failedCall) {
    Region& region = *kind.region;
    const uint64_t capacity = region.capacity();
    kind.heap.keepStorage();
    control.total = static_cast<double>(capacity);
    for (uint64_t offset = 0; offset < capacity; offset += kPrefaultStep) {
        if (control.isAborted != 0 || (whileHeld && !kind.heap.isHeld())) return -ECANCELED;
        const uint64_t length = std::min(kPrefaultStep, capacity - offset);
        *failedCall = "fallocate";
        int error = kind.heap.commit(offset, length);
        if (error != 0) return error;
        *failedCall = "madvise";
        error = region.populate(offset, length);
        kind.heap.dropStray(offset, length);
        if (error != 0) return error;
        control.done = static_cast<double>(offset + length);
    }
    return 0;
}

int makePmemKind(const PmemKindRequest& request, JobControl& control, std::shared_ptr<Kind>* made,
                 const char** failedCall) {
    PmemFileOptions options;
    options.directory = request.directory.c_str();
    options.capacity = request.maxSize;
    options.sync = request.sync;
    HeapOptions heapOptions;
    heapOptions.conservative = request.conservative;

    auto kind = std::make_shared<Kind>();
    auto region = std::make_shared<PmemFileRegion>();
    *failedCall = "open";
    int error = region->open(options, failedCall);
    if (error != 0) return error;
    kind->region = region;
    *failedCall = "mmap";
    error = kind->heap.open(region.get(), heapOptions);
    if (error == 0 && request.prefault) error = prefaultKind(*kind, false, control, failedCall);
    if (error != 0) return error;

    const syscalls::FileStatus& status = region->status();
    kind->description = {"pmem",         request.directory,  request.sync,      request.debug,
                         status.isDax(), status.deviceMajor, status.deviceMinor, region->room()};
    *made = std::move(kind);
    return 0;
}

}  // namespace daxkind
