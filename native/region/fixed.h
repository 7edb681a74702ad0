// A region in a range that somebody else owns: the memory of a fixed kind. Nothing is committed, given back or cleared;
// the owner is kept alive for as long as the region can be reached.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "region/region.h"

namespace daxkind {

class FixedRegion final : public Region {
  public:
    // `base` is aligned to a page at least. `users` counts the open kinds in the range and keeps its owner alive.
    FixedRegion(char* base, uint64_t capacity, std::shared_ptr<std::atomic<int>> users)
        : base_(base), capacity_(capacity), users_(std::move(users)) {
        ++*users_;
    }

    char* base() const override { return base_; }
    uint64_t capacity() const override { return capacity_; }
    bool isElastic() const override { return false; }
    int commit(uint64_t, uint64_t) override { return 0; }
    int decommit(uint64_t, uint64_t) override { return 0; }
    int populate(uint64_t offset, uint64_t length) override;
    int64_t resident() const override { return static_cast<int64_t>(capacity_); }
    void retire() override { --*users_; }

  private:
    char* base_;
    uint64_t capacity_;
    std::shared_ptr<std::atomic<int>> users_;
};

}  // namespace daxkind
