#include "region/address_range.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <new>

#include "region/placement.h"
#include "syscalls/mapping.h"
#include "syscalls/sizes.h"

namespace daxkind {

namespace {

// How many bytes lose their pages by one call: some milliseconds.
constexpr uint64_t kUnmapStep = 64 * kMiB;

// What is shown is noted in parts of this size: 1 GiB, as long as the ArrayBuffers that most blocks are views of. The
// other addresses of a large kind go with its file, so that kinds of many TiB do not use up the address space. The size
// is a multiple of every device's alignment, because a device's mapping can only be divided at multiples of that.
constexpr uint64_t kShownUnit = 1ull << 30;

}  // namespace

AddressRange::~AddressRange() {
    if (base_ == nullptr) return;
    letGo(length_);
    forEachPart([](char* at, size_t length, bool isShown) {
        if (isShown) syscalls::unmap(at, length);
    });
}

void* AddressRange::hintFor(uint64_t length) {
    return length > kShownUnit ? nextPlace() : nullptr;
}

int AddressRange::take(void* base, uint64_t length, uint64_t granule, const char** failedCall) {
    *failedCall = "malloc";
    try {
        shown_.resize((length + kShownUnit - 1) / kShownUnit);
    } catch (const std::bad_alloc&) {
        return -ENOMEM;
    }
    if (const int error = watch_.begin(base, length, granule, failedCall); error != 0) return error;
    if (length > kShownUnit) tookPlace(base, length);
    base_ = static_cast<char*>(base);
    length_ = length;
    isHeld_ = true;
    return 0;
}

void AddressRange::show(uint64_t offset, uint64_t length) {
    const std::lock_guard<std::mutex> lock(shownMutex_);
    for (uint64_t unit = offset / kShownUnit; unit * kShownUnit < offset + length; unit++) shown_[unit] = true;
}

template <typename Visit>
void AddressRange::forEachPart(Visit visit) const {
    for (size_t from = 0, to; from < shown_.size(); from = to) {
        for (to = from + 1; to < shown_.size() && shown_[to] == shown_[from]; to++) continue;
        const uint64_t end = std::min(to * kShownUnit, length_);
        visit(base_ + from * kShownUnit, end - from * kShownUnit, shown_[from]);
    }
}

void AddressRange::letGo(uint64_t usedEnd) {
    if (!isHeld_) return;
    // It takes a tenth of a second to unmap a GiB with pages, and meanwhile no thread can map anything. So the pages go
    // first, in steps.
    for (uint64_t from = 0; from < usedEnd; from += kUnmapStep) {
        syscalls::advise(base_ + from, std::min(kUnmapStep, usedEnd - from), MADV_DONTNEED);
    }
    // The file must not stay mapped, because its blocks stay taken while it is. But a script, or an operation that it
    // started, may still use the addresses that it has seen. So empty memory takes their place, and nobody else gets
    // them. They are watched until no page of them can be lost. The watch ends before the other addresses are unmapped,
    // because those may be somebody else's then. A part that cannot be replaced or unmapped (a process at the limit of
    // its mappings) is unmapped by the destructor.
    char* keptUntil = base_;
    forEachPart([&](char* at, size_t length, bool isShown) {
        if (!isShown) return;
        syscalls::replaceWithAnonymous(at, length);
        keptUntil = at + length;
    });
    watch_.end();
    forEachPart([&](char* at, size_t length, bool isShown) {
        if (isShown || syscalls::unmap(at, length) == 0) return;
        show(static_cast<uint64_t>(at - base_), length);
        keptUntil = std::max(keptUntil, at + length);
    });
    leftPlace(base_, length_, keptUntil);
    isHeld_ = false;
}

}  // namespace daxkind
