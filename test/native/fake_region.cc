#include "fake_region.h"

#include <sys/mman.h>

#include <cerrno>
#include <iterator>

namespace test {

namespace {

constexpr uint64_t kHugePage = 2 * 1024 * 1024;
// Of the heaps that tests make in a region that is all there.
constexpr uint64_t kLargestUnit = 16 * 1024;

}  // namespace

FakeRegion::FakeRegion(Shape shape, uint64_t seed) : shape_(shape), random_(seed) {
    const int protection = shape.elastic ? PROT_NONE : PROT_READ | PROT_WRITE;
    reservedBytes_ = shape.capacity + 2 * kHugePage;
    void* const at = mmap(nullptr, reservedBytes_, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(at != MAP_FAILED, "no address space for a region of %llu bytes", (unsigned long long)shape.capacity);
    reserved_ = static_cast<char*>(at);
    const uint64_t start = reinterpret_cast<uint64_t>(at);
    base_ = reserved_ + ((start + kHugePage - 1) / kHugePage * kHugePage - start);
    if (!shape.elastic) base_ += random_.below(kHugePage / kLargestUnit) * kLargestUnit;
}

FakeRegion::~FakeRegion() {
    munmap(reserved_, reservedBytes_);
}

void FakeRegion::checkRange(uint64_t offset, uint64_t length) const {
    CHECK(shape_.elastic, "a region that is all there was to change");
    CHECK(length > 0 && offset < shape_.capacity && length <= shape_.capacity - offset,
          "offset %llu, length %llu, capacity %llu", (unsigned long long)offset, (unsigned long long)length,
          (unsigned long long)shape_.capacity);
    CHECK(offset % daxkind::kCommitGranule == 0);
    CHECK(length % daxkind::kCommitGranule == 0 || offset + length == shape_.capacity);
}

bool FakeRegion::isBacked(uint64_t from, uint64_t to) const {
    if (!shape_.elastic) return to <= shape_.capacity;
    auto at = ranges_.upper_bound(from);
    return at != ranges_.begin() && (--at)->second >= to;
}

int FakeRegion::commit(uint64_t offset, uint64_t length) {
    checkRange(offset, length);
    const auto after = ranges_.lower_bound(offset);
    CHECK(after == ranges_.end() || after->first >= offset + length, "a part of it is committed already");
    CHECK(after == ranges_.begin() || std::prev(after)->second <= offset, "a part of it is committed already");
    if (random_.percent(commitFailures)) {
        static const int errors[] = {-ENOSPC, -ENOSPC, -ENOSPC, -EDQUOT, -EIO};
        return errors[random_.below(5)];
    }
    if (committed_ + length > room) return -ENOSPC;
    CHECK(mprotect(base_ + offset, length, PROT_READ | PROT_WRITE) == 0, "errno %d", errno);
    committed_ += length;
    uint64_t from = offset;
    uint64_t to = offset + length;
    if (after != ranges_.begin() && std::prev(after)->second == from) {
        from = std::prev(after)->first;
        ranges_.erase(std::prev(after));
    }
    if (after != ranges_.end() && after->first == to) {
        to = after->second;
        ranges_.erase(after);
    }
    ranges_[from] = to;
    return 0;
}

int FakeRegion::decommit(uint64_t offset, uint64_t length) {
    checkRange(offset, length);
    CHECK(isBacked(offset, offset + length), "a part of it is not committed");
    if (random_.percent(decommitFailures)) return -EIO;
    CHECK(madvise(base_ + offset, length, MADV_DONTNEED) == 0, "errno %d", errno);
    CHECK(mprotect(base_ + offset, length, PROT_NONE) == 0, "errno %d", errno);
    committed_ -= length;
    const auto at = std::prev(ranges_.upper_bound(offset));
    const uint64_t from = at->first;
    const uint64_t to = at->second;
    ranges_.erase(at);
    if (from < offset) ranges_[from] = offset;
    if (offset + length < to) ranges_[offset + length] = to;
    return 0;
}

int FakeRegion::populate(uint64_t offset, uint64_t length) {
    CHECK(isBacked(offset, offset + length), "what is not committed is to be faulted in");
    return 0;
}

}  // namespace test
