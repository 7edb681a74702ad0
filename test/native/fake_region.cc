#include "fake_region.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "syscalls/sizes.h"

namespace test {

namespace {

// The largest unit of the heaps that tests make in a region that is committed as a whole.
constexpr uint64_t kLargestUnit = 16 * daxkind::kKiB;

}  // namespace

FakeRegion::FakeRegion(Shape shape, uint64_t seed) : shape_(shape), random_(seed) {
    const int protection = shape.elastic ? PROT_NONE : PROT_READ | PROT_WRITE;
    reservedBytes_ = shape.capacity + 2 * daxkind::kHugePageSize;
    void* const at = mmap(nullptr, reservedBytes_, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(at != MAP_FAILED, "no address space for a region of %llu bytes", (unsigned long long)shape.capacity);
    reserved_ = static_cast<char*>(at);
    const uint64_t start = reinterpret_cast<uint64_t>(at);
    base_ =
        reserved_ + ((start + daxkind::kHugePageSize - 1) / daxkind::kHugePageSize * daxkind::kHugePageSize - start);
    if (!shape.elastic) base_ += random_.below(daxkind::kHugePageSize / kLargestUnit) * kLargestUnit;
}

FakeRegion::~FakeRegion() {
    munmap(reserved_, reservedBytes_);
}

void FakeRegion::checkRange(uint64_t offset, uint64_t length) const {
    CHECK(shape_.elastic, "a region that cannot grow or shrink was told to");
    CHECK(length > 0 && offset < shape_.capacity && length <= shape_.capacity - offset,
          "offset %llu, length %llu, capacity %llu", (unsigned long long)offset, (unsigned long long)length,
          (unsigned long long)shape_.capacity);
    CHECK(offset % daxkind::kCommitGranule == 0);
    CHECK(length % daxkind::kCommitGranule == 0 || offset + length == shape_.capacity);
}

uint64_t FakeRegion::committed() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return committed_;
}

bool FakeRegion::isBacked(uint64_t from, uint64_t to) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!shape_.elastic) return to <= shape_.capacity;
    auto at = ranges_.upper_bound(from);
    return at != ranges_.begin() && (--at)->second >= to;
}

uint64_t FakeRegion::backedIn(uint64_t from, uint64_t to) const {
    uint64_t bytes = 0;
    auto at = ranges_.upper_bound(from);
    if (at != ranges_.begin()) at--;
    for (; at != ranges_.end() && at->first < to; at++) {
        if (at->second > from) bytes += std::min(to, at->second) - std::max(from, at->first);
    }
    return bytes;
}

void FakeRegion::setBacked(uint64_t from, uint64_t to, bool isBacked) {
    CHECK(isBacked || madvise(base_ + from, to - from, MADV_DONTNEED) == 0, "errno %d", errno);
    CHECK(mprotect(base_ + from, to - from, isBacked ? PROT_READ | PROT_WRITE : PROT_NONE) == 0, "errno %d", errno);
    const uint64_t had = backedIn(from, to);
    committed_ += isBacked ? to - from - had : -had;
    // Finds the ranges that overlap the new one or touch it.
    uint64_t first = from;
    uint64_t last = to;
    auto at = ranges_.lower_bound(from);
    if (at != ranges_.begin() && std::prev(at)->second >= from) at--;
    while (at != ranges_.end() && at->first <= to) {
        first = std::min(first, at->first);
        last = std::max(last, at->second);
        at = ranges_.erase(at);
    }
    if (isBacked) {
        ranges_[first] = last;
        return;
    }
    if (first < from) ranges_[first] = from;
    if (to < last) ranges_[to] = last;
}

int FakeRegion::commit(uint64_t offset, uint64_t length) {
    const std::lock_guard<std::mutex> lock(mutex_);
    checkRange(offset, length);
    if (random_.percent(commitFailures)) {
        static const int errors[] = {-ENOSPC, -ENOSPC, -ENOSPC, -EDQUOT, -EIO};
        return errors[random_.below(5)];
    }
    const uint64_t more = length - backedIn(offset, offset + length);
    if (committed_ + more > room) return -ENOSPC;
    setBacked(offset, offset + length, true);
    return 0;
}

int FakeRegion::decommit(uint64_t offset, uint64_t length) {
    const std::lock_guard<std::mutex> lock(mutex_);
    checkRange(offset, length);
    const bool isFailing = random_.percent(decommitFailures);
    const uint64_t granules = length / daxkind::kCommitGranule;
    const uint64_t gone = isFailing ? random_.below(granules + 1) * daxkind::kCommitGranule : length;
    if (gone > 0) setBacked(offset, offset + gone, false);
    return isFailing ? -EIO : 0;
}

int FakeRegion::populate(uint64_t offset, uint64_t length) {
    CHECK(isBacked(offset, offset + length), "memory that is not committed was to be faulted in");
    return 0;
}

}  // namespace test
