// A region in a mapping of a file that somebody else owns: the memory of a fixed kind. Nothing is committed, given back
// or cleared. The owner is kept alive for as long as the region can be reached. No two open regions of the process have
// the same bytes of a file, whichever mappings they are in, because they would hand out the same memory.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "region/region.h"

namespace daxkind {

// Bytes [from, to) of a file, whatever name it was opened by.
struct FileRange {
    uint32_t deviceMajor = 0;
    uint32_t deviceMinor = 0;
    uint64_t inode = 0;
    uint64_t from = 0;
    uint64_t to = 0;

    bool overlaps(const FileRange& other) const;
};

class FixedRegion final : public Region {
  public:
    // Makes the region at `base`, where `file` is mapped. `base` is aligned to a page at least. Null if an open region
    // has some of these bytes. `users` counts the open kinds in the mapping. It also keeps the mapping's owner alive,
    // and with it the watch.
    static std::shared_ptr<FixedRegion> open(char* base, const FileRange& file, guard::Watch* watch,
                                             std::function<LossCause(const guard::Part&)> causeOf,
                                             std::shared_ptr<std::atomic<int>> users);

    char* base() const override { return base_; }
    uint64_t capacity() const override { return file_.to - file_.from; }
    bool isElastic() const override { return false; }
    int commit(uint64_t, uint64_t) override { return 0; }
    int decommit(uint64_t, uint64_t) override { return 0; }
    int populate(uint64_t offset, uint64_t length) override;
    LossCause lossCause(const guard::Part& part) const override { return causeOf_(part); }
    guard::Watch* watch() override { return watch_; }
    int64_t resident() const override { return static_cast<int64_t>(capacity()); }
    void retire() override;

  private:
    FixedRegion(char* base, const FileRange& file, guard::Watch* watch,
                std::function<LossCause(const guard::Part&)> causeOf, std::shared_ptr<std::atomic<int>> users)
        : base_(base), file_(file), watch_(watch), causeOf_(std::move(causeOf)), users_(std::move(users)) {
        ++*users_;
    }

    char* base_;
    const FileRange file_;
    guard::Watch* const watch_;
    const std::function<LossCause(const guard::Part&)> causeOf_;
    std::shared_ptr<std::atomic<int>> users_;
};

}  // namespace daxkind
