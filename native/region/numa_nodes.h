// A region in the memory of NUMA nodes: anonymous memory that the kernel is told to take from there. Committing faults
// the pages in, a few at a time and only while the nodes have room (node_budget.h), because a page that is not to be
// had at its first touch is the end of the process. Giving back is MADV_DONTNEED.
//
// open() and retire() belong to one thread; between them any thread may call, for ranges that do not overlap.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "region/address_range.h"
#include "region/node_budget.h"
#include "region/region.h"
#include "syscalls/numa.h"

namespace daxkind {

struct NumaNodesOptions {
    std::vector<int> nodes;  // The first is preferred where the kernel can prefer only one.
    syscalls::NumaPolicy policy = syscalls::NumaPolicy::kBind;
    // Bytes, a multiple of 2 MiB; 0: what the nodes have in all, or what they can give now.
    uint64_t capacity = 0;
    // Whether all of it is to be taken as soon as the region is there.
    bool isAtOnce = false;
    // Transparent huge pages: as the machine is set up, always (MADV_HUGEPAGE), or never (MADV_NOHUGEPAGE).
    enum class HugePages { kDefault, kAlways, kNever } hugePages = HugePages::kDefault;
};

class NumaNodesRegion final : public Region {
  public:
    NumaNodesRegion() = default;
    NumaNodesRegion(const NumaNodesRegion&) = delete;
    NumaNodesRegion& operator=(const NumaNodesRegion&) = delete;
    ~NumaNodesRegion() override;

    // 0, or -errno with the system call that failed; nothing is left behind then. -ENOENT of open: no such node.
    // -EINVAL of mbind: a node without memory, or one that this process may not use.
    int open(const NumaNodesOptions& options, const char** failedCall);

    char* base() const override { return range_.base(); }
    uint64_t capacity() const override { return range_.length(); }
    // Where there may be huge pages, no less than one: the kernel would fill up what is given back in the middle of one
    // (khugepaged), and count it for nobody.
    uint64_t decommitUnit() const override { return decommitUnit_; }
    int foresee(uint64_t bytes) override { return budget_.room() < bytes ? -ENOSPC : 0; }
    const char* commitCall() const override { return "madvise"; }
    // -ENOSPC: the nodes have no room.
    int commit(uint64_t offset, uint64_t length) override;
    int decommit(uint64_t offset, uint64_t length) override;
    // What is committed has its pages.
    int populate(uint64_t, uint64_t) override { return 0; }
    void show(uint64_t offset, uint64_t length) override { range_.show(offset, length); }
    guard::Watch* watch() override { return &range_.watch(); }
    // What has been committed; what the kernel has swapped out counts, too.
    int64_t resident() const override { return static_cast<int64_t>(committed_.load()); }
    void retire() override;

    // Bytes that the nodes have in all, now.
    uint64_t total() const { return budget_.total(); }
    // Exact while little is committed; else by looking at pages here and there. -errno is move_pages'.
    int nodeUses(std::vector<NodeUse>* uses) const override;

  private:
    int map(const NumaNodesOptions& options, const char** failedCall);
    void book(uint64_t offset, uint64_t length, bool isCommitted);
    // The pages to be looked at: all that are committed, or some of them.
    std::vector<void*> sample() const;

    NodeBudget budget_;
    AddressRange range_;
    uint64_t decommitUnit_ = kCommitGranule;
    std::atomic<uint64_t> committed_{0};
    // What is committed: one bit for each granule, of 32 in each part.
    std::vector<std::atomic<uint32_t>> parts_;
    std::atomic<uint64_t> committedEnd_{0};  // Nothing behind it has ever been committed.
};

}  // namespace daxkind
