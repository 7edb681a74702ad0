#include "region/numa_nodes.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <map>

#include "syscalls/kernel.h"
#include "syscalls/mapping.h"

namespace daxkind {

namespace {

// How much is faulted in at a time: others wait for the nodes' budget meanwhile, some milliseconds.
constexpr uint64_t kCommitStep = 8 * 1024 * 1024;

// How many pages uses() looks at: some milliseconds.
constexpr uint64_t kSample = 32 * 1024;

}  // namespace

NumaNodesRegion::~NumaNodesRegion() {
    retire();
}

int NumaNodesRegion::open(const NumaNodesOptions& options, const char** failedCall) {
    const bool isStrict = options.policy == syscalls::NumaPolicy::kBind;
    const int error = budget_.open(options.nodes, isStrict, failedCall);
    return error != 0 ? error : map(options, failedCall);
}

int NumaNodesRegion::map(const NumaNodesOptions& options, const char** failedCall) {
    uint64_t capacity = options.capacity;
    if (capacity == 0) capacity = budget_.total() / syscalls::hugePageSize * syscalls::hugePageSize;
    *failedCall = "mbind";
    if (capacity == 0) return -EINVAL;
    *failedCall = "mmap";
    void* at = nullptr;
    int error = syscalls::mapAnonymousAligned(capacity, AddressRange::hintFor(capacity), syscalls::hugePageSize, &at);
    if (error != 0) return error;
    *failedCall = "mbind";
    error = syscalls::bindRange(at, capacity, options.policy, options.nodes);
    if (error == 0) {
        *failedCall = "madvise";
        error = syscalls::adviseDontFork(at, capacity);
    }
    // A kernel without huge pages answers EINVAL, and has none.
    using HugePages = NumaNodesOptions::HugePages;
    if (options.hugePages == HugePages::kAlways) syscalls::advise(at, capacity, MADV_HUGEPAGE);
    if (options.hugePages == HugePages::kNever) syscalls::advise(at, capacity, MADV_NOHUGEPAGE);
    if (error != 0) {
        syscalls::unmap(at, capacity);
        return error;
    }
    range_.take(at, capacity);
    return 0;
}

int NumaNodesRegion::commit(uint64_t offset, uint64_t length) {
    uint64_t end = committedEnd_;
    while (end < offset + length && !committedEnd_.compare_exchange_weak(end, offset + length)) continue;
    for (uint64_t done = 0; done < length; done += kCommitStep) {
        const uint64_t step = std::min(kCommitStep, length - done);
        const int error = budget_.spend(step, [&] { return syscalls::populateWrite(base() + offset + done, step); });
        if (error == 0) continue;
        syscalls::advise(base() + offset, length, MADV_DONTNEED);
        return error == -ENOMEM ? -ENOSPC : error;
    }
    committed_ += length;
    return 0;
}

int NumaNodesRegion::decommit(uint64_t offset, uint64_t length) {
    const int error = syscalls::advise(base() + offset, length, MADV_DONTNEED);
    if (error == 0) committed_ -= length;
    return error;
}

void NumaNodesRegion::retire() {
    range_.letGo(committedEnd_);
}

int NumaNodesRegion::nodeUses(std::vector<NodeUse>* uses) const {
    uses->clear();
    const uint64_t page = syscalls::pageSize();
    const uint64_t pages = committedEnd_ / page;
    if (pages == 0) return 0;
    const uint64_t distance = (pages + kSample - 1) / kSample;
    std::vector<void*> sample;
    for (uint64_t at = 0; at < pages; at += distance) sample.push_back(base() + at * page);
    std::vector<int> nodes;
    const int error = syscalls::nodesOfPages(sample, &nodes);
    if (error != 0) return error;
    std::map<int, uint64_t> counts;
    uint64_t found = 0;
    for (const int node : nodes) {
        if (node < 0) continue;
        counts[node]++;
        found++;
    }
    const uint64_t committed = committed_;
    for (const auto& [node, count] : counts) {
        const uint64_t bytes = distance == 1
                                   ? count * page
                                   : static_cast<uint64_t>(static_cast<double>(committed) * static_cast<double>(count) /
                                                           static_cast<double>(found));
        uses->push_back({node, bytes});
    }
    return 0;
}

}  // namespace daxkind
