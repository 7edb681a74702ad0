// Kinds on NUMA nodes: what the kernel's numbers are taken for, and that a region commits no more than there is, gives
// back what it has, and leaves nothing behind whatever call fails. Node 0 is on every machine.
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "faults.h"
#include "kind/making.h"
#include "region/node_budget.h"
#include "region/numa_nodes.h"
#include "tests.h"

namespace test {

using namespace daxkind;
using faults::Call;

namespace {

constexpr uint64_t kMiB = 1024 * 1024;

void readMemoryInfo() {
    const MemoryInfo machine = parseMemoryInfo("MemTotal:  100 kB\nMemFree:    10 kB\nMemAvailable:   60 kB\n");
    CHECK(machine.total == 100 * 1024 && machine.available == 60 * 1024);
    const MemoryInfo node = parseMemoryInfo(
        "Node 1 MemTotal:   200 kB\nNode 1 MemFree:     50 kB\nNode 1 Active(file):   8 kB\n"
        "Node 1 Inactive(file):   4 kB\nNode 1 SReclaimable:   2 kB\n");
    CHECK(node.total == 200 * 1024 && node.available == 57 * 1024, "%llu",
          static_cast<unsigned long long>(node.available));
    for (const char* text : {"", "MemTotal", "MemTotal:", "XMemTotal: 5 kB", "\n\n"}) {
        const MemoryInfo none = parseMemoryInfo(text);
        CHECK(none.total == 0 && none.available == 0, "%s", text);
    }
}

// More than the machine has is refused before anything is touched: the kernel would end this process.
void refuseToOverdraw() {
    NodeBudget budget;
    const char* failedCall = "nothing";
    CHECK(budget.open({0}, true, &failedCall) == 0, "%s", failedCall);
    bool isTaken = false;
    const auto take = [&isTaken] {
        isTaken = true;
        return 0;
    };
    CHECK(budget.total() > 0);
    CHECK(budget.spend(budget.total(), take) == -ENOSPC && !isTaken);
    CHECK(budget.spend(4096, take) == 0 && isTaken);
    NodeBudget none;
    CHECK(none.open({1000}, true, &failedCall) == -ENOENT && failedCall == std::string("open"));
}

NumaNodesOptions optionsFor(uint64_t capacity) {
    NumaNodesOptions options;
    options.nodes = {0};
    options.capacity = capacity;
    return options;
}

uint64_t bytesOn(const NumaNodesRegion& region) {
    std::vector<NodeUse> uses;
    CHECK(region.nodeUses(&uses) == 0);
    uint64_t all = 0;
    for (const NodeUse& use : uses) all += use.bytes;
    return all;
}

void commitAndGiveBack() {
    for (const syscalls::NumaPolicy policy :
         {syscalls::NumaPolicy::kBind, syscalls::NumaPolicy::kPreferred, syscalls::NumaPolicy::kInterleave}) {
        NumaNodesOptions options = optionsFor(64 * kMiB);
        options.policy = policy;
        options.hugePages = NumaNodesOptions::HugePages::kNever;
        NumaNodesRegion region;
        const char* failedCall = "nothing";
        CHECK(region.open(options, &failedCall) == 0, "%s", failedCall);
        CHECK(reinterpret_cast<uintptr_t>(region.base()) % (2 * kMiB) == 0 && region.capacity() == 64 * kMiB);
        CHECK(region.resident() == 0 && bytesOn(region) == 0);
        CHECK(region.commit(2 * kMiB, 20 * kMiB) == 0);
        CHECK(region.resident() == static_cast<int64_t>(20 * kMiB) && bytesOn(region) == 20 * kMiB);
        std::memset(region.base() + 2 * kMiB, 1, 20 * kMiB);
        CHECK(region.decommit(4 * kMiB, 8 * kMiB) == 0);
        CHECK(region.resident() == static_cast<int64_t>(12 * kMiB) && bytesOn(region) == 12 * kMiB);
        CHECK(region.base()[4 * kMiB] == 0 && region.base()[2 * kMiB] == 1);
        region.show(0, kMiB);
        region.retire();
        CHECK(region.base()[2 * kMiB] == 0);
    }
}

void failToCommit() {
    NumaNodesRegion region;
    const char* failedCall = "nothing";
    CHECK(region.open(optionsFor(64 * kMiB), &failedCall) == 0);
    for (uint32_t nth = 1; nth <= 3; nth++) {
        faults::arm({{Call::madvise, nth, ENOMEM, false}});
        const int error = region.commit(0, 24 * kMiB);
        CHECK(faults::disarm() == 1 && error == -ENOSPC, "%d", error);
        CHECK(region.resident() == 0 && bytesOn(region) == 0);
    }
    CHECK(region.commit(0, 24 * kMiB) == 0);
    // More than the machine has: nothing of it stays.
    NumaNodesRegion whole;
    const uint64_t capacity = region.total() / (2 * kMiB) * (2 * kMiB);
    CHECK(whole.open(optionsFor(capacity), &failedCall) == 0);
}

void failToMake() {
    NodeKindRequest request;
    request.nodes = optionsFor(16 * kMiB);
    request.path = "NUMA node 0";
    const struct {
        Call call;
        int error;
    } sorts[] = {{Call::open, EMFILE}, {Call::mmap, ENOMEM}, {Call::mbind, EPERM}, {Call::madvise, ENOMEM}};
    for (const auto& [call, error] : sorts) {
        uint32_t failures = 0;
        for (uint32_t nth = 1;; nth++) {
            const Kind::AtOnce atOnce;
            faults::openLedger();
            faults::arm({{call, nth, error, false}});
            std::shared_ptr<Kind> kind;
            const char* failedCall = "nothing";
            const int result = makeNodeKind(request, &kind, &failedCall);
            const uint32_t failed = faults::disarm();
            CHECK((result == 0) == (kind != nullptr), "%s gave %d", failedCall, result);
            CHECK(result == 0 || (result == -error && failedCall == std::string(faults::name(call))), "%s gave %d",
                  failedCall, result);
            if (result != 0) failures++;
            kind.reset();
            CHECK(faults::left().empty(), "left behind:%s", faults::left().c_str());
            faults::closeLedger();
            if (failed == 0) break;
        }
        CHECK(failures > 0, "no %s kept a kind from being made", faults::name(call));
    }
}

}  // namespace

void testNodes(const Options&) {
    context() = "nodes";
    readMemoryInfo();
    if (access("/sys/devices/system/node/node0/meminfo", R_OK) != 0) {
        std::printf("nodes: this machine shows no NUMA nodes\n");
        return;
    }
    refuseToOverdraw();
    commitAndGiveBack();
    failToCommit();
    failToMake();
    std::printf("nodes: all right\n");
}

}  // namespace test
