#include "kind/making.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "region/dax_device.h"
#include "region/pmem_file.h"
#include "syscalls/mapping.h"

namespace daxkind {

int makePmemKind(const PmemKindRequest& request, std::shared_ptr<Kind>* made, const char** failedCall) {
    PmemFileOptions options;
    options.directory = request.directory.c_str();
    options.capacity = request.maxSize;
    options.sync = request.sync;
    HeapOptions heapOptions;
    heapOptions.conservative = request.conservative;
    heapOptions.decayMs = request.decayMs;

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
    KindDescription& description = kind->description;
    description.type = "pmem";
    description.path = request.directory;
    description.sync = request.sync;
    description.debug = request.debug;
    description.dax = region->dax();
    description.deviceMajor = status.deviceMajor;
    description.deviceMinor = status.deviceMinor;
    description.room = region->room();
    *made = std::move(kind);
    return 0;
}

int makeFixedKind(FixedKindRequest request, std::shared_ptr<Kind>* made, const char** failedCall) {
    *failedCall = "";
    std::shared_ptr<Kind> kind = Kind::make();
    kind->region = FixedRegion::open(request.base, request.file, request.watch, std::move(request.causeOf),
                                     std::move(request.users));
    if (kind->region == nullptr) return -EBUSY;
    *failedCall = "mmap";
    const int error = kind->heap.open(kind->region.get(), HeapOptions{});
    if (error != 0) return error;
    for (const guard::Part& part : request.knownBad) kind->heap.lose(part.offset, part.length);
    kind->description.type = "fixed";
    kind->description.path = std::move(request.path);
    kind->description.debug = request.debug;
    *made = std::move(kind);
    return 0;
}

int makeDeviceKind(const DeviceKindRequest& request, std::shared_ptr<Kind>* made, const char** failedCall) {
    DaxDeviceOptions options;
    options.path = request.path.c_str();
    options.offset = request.offset;
    options.size = request.size;
    options.align = request.align;
    std::shared_ptr<Kind> kind = Kind::make();
    auto region = std::make_shared<DaxDeviceRegion>();
    int error = region->open(options, failedCall);
    if (error != 0) return error;
    kind->region = region;
    *failedCall = "mmap";
    error = kind->heap.open(region.get(), HeapOptions{});
    if (error != 0) return error;
    for (const guard::Part& part : region->knownBad(0, region->capacity())) kind->heap.lose(part.offset, part.length);
    KindDescription& description = kind->description;
    description.type = "device";
    description.path = request.path;
    description.debug = request.debug;
    description.dax = true;
    description.deviceMajor = region->deviceMajor();
    description.deviceMinor = region->deviceMinor();
    *made = std::move(kind);
    return 0;
}

int makeNodeKind(const NodeKindRequest& request, std::shared_ptr<Kind>* made, const char** failedCall) {
    NumaNodesOptions options = request.nodes;
    options.isAtOnce = request.prefault;
    std::shared_ptr<Kind> kind;
    std::shared_ptr<NumaNodesRegion> region;
    for (;;) {
        kind = Kind::make();
        region = std::make_shared<NumaNodesRegion>();
        int error = region->open(options, failedCall);
        if (error == 0) {
            kind->region = region;
            *failedCall = "mmap";
            error = kind->heap.open(region.get(), HeapOptions{});
        }
        if (error == 0) break;
        // The nodes may have more memory than the address space that this process may use.
        if (request.nodes.capacity != 0 || error != -ENOMEM || options.capacity == kChunkSize) return error;
        const uint64_t last = options.capacity == 0 ? region->total() : options.capacity;
        options.capacity = std::max(last / 2 / kChunkSize * kChunkSize, kChunkSize);
    }
    KindDescription& description = kind->description;
    description.type = "node";
    description.path = request.path;
    description.debug = request.debug;
    description.nodes = request.nodes.nodes;
    description.policy = static_cast<int>(request.nodes.policy);
    description.room = region->total();
    *made = std::move(kind);
    return 0;
}

namespace {

template <typename Request, int (*makeKind)(const Request&, std::shared_ptr<Kind>*, const char**)>
class MakingOf final : public Making {
  public:
    MakingOf(Request request, const std::string& path, bool scrubs)
        : Making(scrubs, request.prefault), request_(std::move(request)), path_(path) {}
    const std::string& path() const override { return path_; }

  protected:
    int make(std::shared_ptr<Kind>* made, const char** failedCall) override {
        return makeKind(request_, made, failedCall);
    }

  private:
    const Request request_;
    const std::string path_;
};

}  // namespace

std::unique_ptr<Making> making(PmemKindRequest request) {
    const std::string path = request.directory;
    return std::make_unique<MakingOf<PmemKindRequest, makePmemKind>>(std::move(request), path, false);
}

std::unique_ptr<Making> making(DeviceKindRequest request) {
    const std::string path = request.path;
    const bool scrubs = request.scrub;
    return std::make_unique<MakingOf<DeviceKindRequest, makeDeviceKind>>(std::move(request), path, scrubs);
}

std::unique_ptr<Making> making(NodeKindRequest request) {
    const std::string path = request.path;
    return std::make_unique<MakingOf<NodeKindRequest, makeNodeKind>>(std::move(request), path, false);
}

int Making::step(JobControl& control, const char** failedCall) {
    if (kind_ == nullptr) {
        const int error = make(&kind_, failedCall);
        if (error != 0) return error;
        if (scrubs_) scrub_.emplace(kind_);
        // Memory that has been scrubbed has its pages.
        if (prefaults_ && !scrubs_) prefault_.emplace(kind_);
        return scrub_ || prefault_ ? kMore : 0;
    }
    return scrub_ ? scrub_->step(control, failedCall) : prefault_->step(control, failedCall);
}

namespace {

// Faults in a part of a region. A part may have no pages, because the medium is bad there or the file has become
// shorter. Then each page is touched, so that the guard finds the lost ones, and those who hold the kind are told.
int faultIn(Region& region, const ByteRange& part) {
    const int error = region.populate(part.from, part.to - part.from);
    if ((error != -EFAULT && error != -EHWPOISON) || region.watch() == nullptr) return error;
    const uint64_t page = syscalls::pageSize();
    for (uint64_t at = part.from; at < part.to; at += page) {
        __atomic_fetch_or(region.base() + at, 0, __ATOMIC_RELAXED);
    }
    return 0;
}

}  // namespace

int Scrub::step(JobControl& control, const char** failedCall) {
    Region& region = *kind_->region;
    const uint64_t capacity = region.capacity();
    control.total.store(static_cast<double>(capacity), std::memory_order_relaxed);
    *failedCall = "madvise";
    const int error = pace_.step([&](uint64_t size) {
        const uint64_t length = std::min(size, capacity - offset_);
        // faultIn() comes first: it returns an error for a page that cannot be had, while a store would be SIGBUS.
        for (const ByteRange& part : kind_->heap.usable(offset_, length)) {
            const int error = faultIn(region, part);
            if (error != 0) return error;
            std::memset(region.base() + part.from, 0, part.to - part.from);
        }
        offset_ += length;
        return 0;
    });
    if (error != 0) return error;
    control.done.store(static_cast<double>(offset_), std::memory_order_relaxed);
    return offset_ < capacity ? kMore : 0;
}

int Prefault::step(JobControl& control, const char** failedCall) {
    Heap& heap = kind_->heap;
    Region& region = *kind_->region;
    const uint64_t capacity = region.capacity();
    if (offset_ == 0) {
        // A kind that does not fit whole is not begun.
        *failedCall = region.commitCall();
        const auto resident = static_cast<uint64_t>(std::max<int64_t>(region.resident(), 0));
        const int error = region.foresee(capacity - std::min(capacity, resident));
        if (error != 0) return error;
        heap.keepStorage();
    }
    control.total.store(static_cast<double>(capacity), std::memory_order_relaxed);
    const int error = pace_.step([&](uint64_t size) {
        const uint64_t length = std::min(size, capacity - offset_);
        *failedCall = region.commitCall();
        int error = heap.commit(offset_, length);
        if (error != 0) return error;
        *failedCall = "madvise";
        for (const ByteRange& part : heap.usable(offset_, length)) {
            if (error == 0) error = faultIn(region, part);
        }
        heap.dropStray(offset_, length);
        offset_ += length;
        return error;
    });
    if (error != 0) return error;
    control.done.store(static_cast<double>(offset_), std::memory_order_relaxed);
    return offset_ < capacity ? kMore : 0;
}

}  // namespace daxkind
