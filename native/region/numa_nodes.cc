#include "region/numa_nodes.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <map>
#include <string>

#include "syscalls/kernel.h"
#include "syscalls/mapping.h"
#include "syscalls/sizes.h"

namespace daxkind {

namespace {

// How much is faulted in at a time. It takes some milliseconds, and others wait for the nodes' budget meanwhile.
constexpr uint64_t kCommitStep = 8 * kMiB;

// How many pages nodeUses() looks at. It takes some milliseconds.
constexpr uint64_t kSample = 32 * kKiB;

// How many bytes a word of bits stands for.
constexpr uint64_t kPartBytes = 32 * kCommitGranule;

// Whether the machine makes huge pages of all memory that they fit in.
bool hasHugePagesAlways() {
    std::ifstream file("/sys/kernel/mm/transparent_hugepage/enabled");
    std::string text;
    return std::getline(file, text) && text.find("[always]") != std::string::npos;
}

// A number that looks random (splitmix64).
uint64_t scrambled(uint64_t number) {
    number += 0x9e3779b97f4a7c15;
    number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9;
    number = (number ^ (number >> 27)) * 0x94d049bb133111eb;
    return number ^ (number >> 31);
}

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
    if (capacity == 0) capacity = options.isAtOnce ? budget_.room() : budget_.total();
    capacity = capacity / kHugePageSize * kHugePageSize;
    *failedCall = "madvise";
    if (capacity == 0) return -ENOSPC;
    *failedCall = "mmap";
    void* at = nullptr;
    int error = syscalls::mapAnonymousAligned(capacity, AddressRange::hintFor(capacity), kHugePageSize, &at);
    if (error != 0) return error;
    *failedCall = "mbind";
    error = syscalls::bindRange(at, capacity, options.policy, options.nodes);
    if (error == 0) {
        *failedCall = "madvise";
        error = syscalls::adviseDontFork(at, capacity);
    }
    // The result does not matter: a kernel without huge pages answers EINVAL.
    using HugePages = NumaNodesOptions::HugePages;
    if (options.hugePages == HugePages::kAlways) syscalls::advise(at, capacity, MADV_HUGEPAGE);
    if (options.hugePages == HugePages::kNever) syscalls::advise(at, capacity, MADV_NOHUGEPAGE);
    if (error == 0) {
        error = range_.take(at, capacity, syscalls::pageSize(), failedCall);
    }
    if (error != 0) {
        syscalls::unmap(at, capacity);
        return error;
    }
    const bool mayBeHuge =
        options.hugePages == HugePages::kAlways || (options.hugePages == HugePages::kDefault && hasHugePagesAlways());
    if (mayBeHuge) decommitUnit_ = kHugePageSize;
    parts_ = std::vector<std::atomic<uint32_t>>((capacity + kPartBytes - 1) / kPartBytes);
    return 0;
}

void NumaNodesRegion::book(uint64_t offset, uint64_t length, bool isCommitted) {
    // Only bits that change are counted, because stray storage is also given back where nothing has been committed.
    int64_t changed = 0;
    for (uint64_t at = offset; at < offset + length;) {
        const uint64_t end = std::min(offset + length, (at / kPartBytes + 1) * kPartBytes);
        const uint64_t count = (end - at + kCommitGranule - 1) / kCommitGranule;
        const auto bits = static_cast<uint32_t>(((uint64_t{1} << count) - 1) << (at % kPartBytes / kCommitGranule));
        if (isCommitted)
            changed += __builtin_popcount(bits & ~parts_[at / kPartBytes].fetch_or(bits));
        else
            changed -= __builtin_popcount(bits & parts_[at / kPartBytes].fetch_and(~bits));
        at = end;
    }
    committed_ += static_cast<uint64_t>(changed) * kCommitGranule;
}

int NumaNodesRegion::commit(uint64_t offset, uint64_t length) {
    uint64_t end = committedEnd_;
    while (end < offset + length && !committedEnd_.compare_exchange_weak(end, offset + length)) continue;
    for (uint64_t done = 0; done < length; done += kCommitStep) {
        const uint64_t step = std::min(kCommitStep, length - done);
        // All that is still to come must have room. A range that does not fit whole is not begun.
        const int error =
            budget_.spend(length - done, [&] { return syscalls::populateWrite(base() + offset + done, step); });
        if (error == 0) continue;
        syscalls::advise(base() + offset, length, MADV_DONTNEED);
        return error == -ENOMEM ? -ENOSPC : error;
    }
    book(offset, length, true);
    return 0;
}

int NumaNodesRegion::decommit(uint64_t offset, uint64_t length) {
    const int error = syscalls::advise(base() + offset, length, MADV_DONTNEED);
    if (error == 0) book(offset, length, false);
    return error;
}

void NumaNodesRegion::retire() {
    range_.letGo(committedEnd_);
}

std::vector<void*> NumaNodesRegion::sample() const {
    const uint64_t page = syscalls::pageSize();
    const uint64_t perGranule = kCommitGranule / page;
    const uint64_t pages = committed_ / page;
    const uint64_t wanted = std::min(pages, kSample);
    std::vector<void*> found;
    if (wanted == 0) return found;
    // The committed pages are cut into `wanted` parts, and one page of each is taken. It is a random one, because a
    // policy places pages in a pattern.
    const auto choice = [pages, wanted](uint64_t part) {
        const uint64_t from = part * pages / wanted;
        const uint64_t to = (part + 1) * pages / wanted;
        return from + scrambled(part) % std::max<uint64_t>(to - from, 1);
    };
    uint64_t passed = 0;
    uint64_t next = choice(0);
    const uint64_t end = std::min<uint64_t>(parts_.size(), committedEnd_ / kPartBytes + 1);
    for (uint64_t part = 0; part < end; part++) {
        const uint32_t bits = parts_[part];
        for (uint64_t granule = 0; granule < 32 && bits >> granule != 0; granule++) {
            if ((bits >> granule & 1) == 0) continue;
            while (found.size() < wanted && next < passed + perGranule) {
                const uint64_t at = part * kPartBytes + granule * kCommitGranule + (next - passed) * page;
                found.push_back(base() + at);
                next = choice(found.size());
            }
            passed += perGranule;
        }
    }
    return found;
}

int NumaNodesRegion::nodeUses(std::vector<NodeUse>* uses) const {
    uses->clear();
    const uint64_t committed = committed_;
    const std::vector<void*> pages = sample();
    if (pages.empty()) return 0;
    std::vector<int> nodes;
    const int error = syscalls::nodesOfPages(pages, &nodes);
    if (error != 0) return error;
    std::map<int, uint64_t> counts;
    uint64_t found = 0;
    for (const int node : nodes) {
        if (node < 0) continue;
        counts[node]++;
        found++;
    }
    const uint64_t page = syscalls::pageSize();
    const bool isExact = committed / page <= kSample;
    for (const auto& [node, count] : counts) {
        const double share = static_cast<double>(count) / static_cast<double>(found);
        const auto estimate = static_cast<uint64_t>(static_cast<double>(committed) * share);
        uses->push_back({node, isExact ? count * page : estimate});
    }
    return 0;
}

}  // namespace daxkind
