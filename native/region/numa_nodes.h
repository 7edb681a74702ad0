// A region in the memory of NUMA nodes: anonymous memory that the kernel is told to take from these nodes. commit()
// faults the pages in, a few at a time and only while the nodes have room (node_budget.h), because the kernel ends the
// process if it finds no page at the first touch. decommit() is MADV_DONTNEED.
//
// open() and retire() belong to one thread. Between them any thread may call, for ranges that do not overlap.
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
    // Bytes, a multiple of 2 MiB. 0: what the nodes have in all, or with `isAtOnce` what they can give now.
    uint64_t capacity = 0;
    // Whether all of it is to be committed as soon as the region is there.
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

    // 0, or -errno with the system call that failed: then nothing is left behind. -ENOENT of open: there is no such
    // node. -EINVAL of mbind: a node has no memory, or this process may not use it.
    int open(const NumaNodesOptions& options, const char** failedCall);

    char* base() const override { return range_.base(); }
    uint64_t capacity() const override { return range_.length(); }
    // A huge page where there may be any. If less went back, khugepaged would fill the hole in the huge page again, and
    // nobody would count that memory.
    uint64_t decommitUnit() const override { return decommitUnit_; }
    int foresee(uint64_t bytes) override { return budget_.room() < bytes ? -ENOSPC : 0; }
    const char* commitCall() const override { return "madvise"; }
    // -ENOSPC if the nodes have no room.
    int commit(uint64_t offset, uint64_t length) override;
    int decommit(uint64_t offset, uint64_t length) override;
    // Nothing to do: what is committed has its pages.
    int populate(uint64_t, uint64_t) override { return 0; }
    void show(uint64_t offset, uint64_t length) override { range_.show(offset, length); }
    guard::Watch* watch() override { return &range_.watch(); }
    // What has been committed, even if the kernel has swapped it out.
    int64_t resident() const override { return static_cast<int64_t>(committed_.load()); }
    void retire() override;

    // Bytes that the nodes had in all when the region was made.
    uint64_t total() const { return budget_.total(); }
    // Exact while little is committed (128 MiB with pages of 4 KiB). Otherwise an estimate from a sample of pages. 0 or
    // -errno of move_pages.
    int nodeUses(std::vector<NodeUse>* uses) const override;

  private:
    int map(const NumaNodesOptions& options, const char** failedCall);
    void book(uint64_t offset, uint64_t length, bool isCommitted);
    // The pages to look at: all that are committed, or a sample of them.
    std::vector<void*> sample() const;

    NodeBudget budget_;
    AddressRange range_;
    uint64_t decommitUnit_ = kCommitGranule;
    std::atomic<uint64_t> committed_{0};
    // One bit for each granule that is committed. A part has the bits of 32 granules.
    std::vector<std::atomic<uint32_t>> parts_;
    std::atomic<uint64_t> committedEnd_{0};  // Nothing behind it has ever been committed.
};

}  // namespace daxkind
