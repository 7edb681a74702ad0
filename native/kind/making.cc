#include "kind/making.h"

#include <algorithm>
#include <cerrno>

#include "region/pmem_file.h"

namespace daxkind {

int makePmemKind(const PmemKindRequest& request, std::shared_ptr<Kind>* made, const char** failedCall) {
    PmemFileOptions options;
    options.directory = request.directory.c_str();
    options.capacity = request.maxSize;
    options.sync = request.sync;
    HeapOptions heapOptions;
    heapOptions.conservative = request.conservative;

    std::shared_ptr<Kind> kind = Kind::make();
    auto region = std::make_shared<PmemFileRegion>();
    *failedCall = "open";
    int error = region->open(options, failedCall);
    if (error != 0) return error;
    kind->region = region;
    *failedCall = "mmap";
    error = kind->heap.open(region.get(), heapOptions);
    if (error != 0) return error;

    const syscalls::FileStatus& status = region->status();
    kind->description = {"pmem",        request.directory,  request.sync,       request.debug,
                         region->dax(), status.deviceMajor, status.deviceMinor, region->room()};
    *made = std::move(kind);
    return 0;
}

int makeFixedKind(FixedKindRequest request, std::shared_ptr<Kind>* made, const char** failedCall) {
    *failedCall = "";
    std::shared_ptr<Kind> kind = Kind::make();
    kind->region = FixedRegion::open(request.base, request.file, std::move(request.users));
    if (kind->region == nullptr) return -EBUSY;
    *failedCall = "mmap";
    const int error = kind->heap.open(kind->region.get(), HeapOptions{});
    if (error != 0) return error;
    kind->description.type = "fixed";
    kind->description.path = std::move(request.path);
    kind->description.debug = request.debug;
    *made = std::move(kind);
    return 0;
}

int Prefault::step(JobControl& control, const char** failedCall) {
    Heap& heap = kind_->heap;
    Region& region = *kind_->region;
    const uint64_t capacity = region.capacity();
    if (offset_ == 0) heap.keepStorage();
    control.total.store(static_cast<double>(capacity), std::memory_order_relaxed);
    const int error = pace_.step([&](uint64_t size) {
        const uint64_t length = std::min(size, capacity - offset_);
        *failedCall = "fallocate";
        int error = heap.commit(offset_, length);
        if (error != 0) return error;
        *failedCall = "madvise";
        error = region.populate(offset_, length);
        heap.dropStray(offset_, length);
        offset_ += length;
        return error;
    });
    if (error != 0) return error;
    control.done.store(static_cast<double>(offset_), std::memory_order_relaxed);
    return offset_ < capacity ? kMore : 0;
}

}  // namespace daxkind
