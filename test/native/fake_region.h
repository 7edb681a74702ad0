// A region in plain memory that holds the heap to the contract of native/region/region.h: memory that is not committed
// cannot be touched, and storage may run out or fail whenever a test likes. When giving storage back fails, a part of
// it has gone back.
#pragma once

#include <map>
#include <mutex>

#include "check.h"
#include "region/region.h"

namespace test {

class FakeRegion : public daxkind::Region {
  public:
    struct Shape {
        uint64_t capacity = 0;
        // Whether it is committed in parts. If not, all of it is there from the start, and it is not aligned to a huge
        // page.
        bool elastic = true;
    };

    FakeRegion(Shape shape, uint64_t seed);
    FakeRegion(const FakeRegion&) = delete;
    FakeRegion& operator=(const FakeRegion&) = delete;
    ~FakeRegion() override;

    char* base() const override { return base_; }
    uint64_t capacity() const override { return shape_.capacity; }
    bool isElastic() const override { return shape_.elastic; }
    int commit(uint64_t offset, uint64_t length) override;
    int decommit(uint64_t offset, uint64_t length) override;
    int populate(uint64_t offset, uint64_t length) override;
    void retire() override {}
    int64_t resident() const override { return static_cast<int64_t>(committed()); }

    // How many bytes the file system has for the region.
    uint64_t room = UINT64_MAX;
    // How many of a hundred calls fail, no matter how much room there is.
    uint32_t commitFailures = 0;
    uint32_t decommitFailures = 0;

    uint64_t committed() const;
    // Whether all of [from, to) can be touched.
    bool isBacked(uint64_t from, uint64_t to) const;

  private:
    // How many bytes of a range are backed.
    uint64_t backedIn(uint64_t from, uint64_t to) const;
    void setBacked(uint64_t from, uint64_t to, bool isBacked);
    void checkRange(uint64_t offset, uint64_t length) const;

    const Shape shape_;
    char* reserved_ = nullptr;
    uint64_t reservedBytes_ = 0;
    char* base_ = nullptr;
    uint64_t committed_ = 0;
    std::map<uint64_t, uint64_t> ranges_;  // What is backed: from, to. No two ranges touch.
    Random random_;
    mutable std::mutex mutex_;
};

}  // namespace test
