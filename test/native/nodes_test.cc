// Kinds on NUMA nodes: how the kernel's numbers are read, and that a region commits no more than there is, gives back
// what it has, and leaves nothing behind whatever call fails. Node 0 is on every machine.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "faults.h"
#include "kind/making.h"
#include "region/node_budget.h"
#include "region/numa_nodes.h"
#include "syscalls/sizes.h"
#include "tests.h"

namespace test {

using namespace daxkind;
using faults::Call;

namespace {

void readMemoryInfo() {
    const MemoryInfo node = parseMemoryInfo(
        "Node 1 MemTotal:   200 kB\nNode 1 MemFree:     50 kB\nNode 1 Active(file):   8 kB\n"
        "Node 1 Inactive(file):   4 kB\nNode 1 SReclaimable:   2 kB\n");
    CHECK(node.total == 200 * kKiB && node.available == 57 * kKiB, "%llu",
          static_cast<unsigned long long>(node.available));
    for (const char* text : {"", "MemTotal", "MemTotal:", "XMemTotal: 5 kB", "\n\n"}) {
        const MemoryInfo none = parseMemoryInfo(text);
        CHECK(none.total == 0 && none.available == 0, "%s", text);
    }
}

void readReserves() {
    const std::map<int, uint64_t> reserves = parseReserves(
        "Node 0, zone      DMA\n  per-node stats\n      nr_inactive_anon 7\n  pages free     2816\n        min      "
        "15\n"
        "        high     21\n        managed  3840\n        protection: (0, 2974, 23910)\n"
        "Node 0, zone   Normal\n  pages free     9\n        high     100\n        managed  50000\n"
        "        protection: (0, 0, 0)\nNode 3, zone  Movable\n        high     256\n        managed  65536\n"
        "        protection: (0, 0)\n",
        4096);
    // All of the first zone is held back for memory that can come from nowhere else.
    CHECK(reserves.size() == 2 && reserves.at(0) == uint64_t{3940} * 4096 && reserves.at(3) == uint64_t{256} * 4096);
    CHECK(parseReserves("", 4096).empty() && parseReserves("protection: (1)\nhigh\n", 4096).empty());
}

std::string joined(const std::vector<ControlGroup>& groups) {
    std::string all;
    for (const auto& [directory, isOld] : groups) all += (isOld ? " 1:" : " 2:") + directory;
    return all;
}

void findControlGroups() {
    const std::string v2 = "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
    CHECK(joined(parseControlGroups("0::/a.slice/b\n", v2)) ==
          " 2:/sys/fs/cgroup/a.slice/b 2:/sys/fs/cgroup/a.slice 2:/sys/fs/cgroup");
    CHECK(joined(parseControlGroups("0::/\n", v2)) == " 2:/sys/fs/cgroup");
    // Both versions at once. Each controller has a tree of its own.
    const std::string both =
        "31 24 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
        "36 24 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
        "37 24 0:33 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n";
    CHECK(joined(parseControlGroups("5:cpu,cpuacct:/c\n4:memory:/m/n\n0::/u\n", both)) ==
          " 2:/sys/fs/cgroup/unified/u 2:/sys/fs/cgroup/unified 1:/sys/fs/cgroup/memory/m/n 1:/sys/fs/cgroup/memory/m"
          " 1:/sys/fs/cgroup/memory");
    // A container that sees only its own part, under the host's name.
    const std::string part = "36 24 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup ro,memory\n";
    CHECK(joined(parseControlGroups("4:memory:/docker/abc\n", part)) == " 1:/sys/fs/cgroup/memory");
    CHECK(joined(parseControlGroups("4:memory:/docker/abc/in\n", part)) ==
          " 1:/sys/fs/cgroup/memory/in 1:/sys/fs/cgroup/memory");
    CHECK(joined(parseControlGroups("4:memory:/docker/abcd\n", part)) == " 1:/sys/fs/cgroup/memory");
    CHECK(joined(parseControlGroups("0::/../other\n", v2)) == " 2:/sys/fs/cgroup");
    for (const char* text : {"", ":", "0:", "0::", "\n\n"}) CHECK(parseControlGroups(text, v2).empty(), "%s", text);
    for (const char* text : {"", " - ", "1 2 3 - cgroup2", "x - cgroup2 y z"}) {
        for (const auto& group : parseControlGroups("0::/\n", text)) CHECK(group.directory.empty(), "%s", text);
    }
}

// More than the machine has is refused before anything is touched, because the kernel would end this process.
void refuseToOverdraw() {
    NodeBudget budget;
    const char* failedCall = "nothing";
    CHECK(budget.open({0}, true, &failedCall) == 0, "%s", failedCall);
    bool isTaken = false;
    const auto take = [&isTaken] {
        isTaken = true;
        return 0;
    };
    CHECK(budget.total() > 0 && budget.room() > 0 && budget.room() < budget.total());
    CHECK(budget.spend(budget.total(), take) == -ENOSPC && !isTaken);
    CHECK(budget.spend(4096, take) == 0 && isTaken);
    NodeBudget none;
    CHECK(none.open({1000}, true, &failedCall) == -ENOENT && failedCall == std::string("open"));
}

// If a process holds the lock and is stopped, others wait only for a limited time. Threads wait for one another.
void takeTurns() {
    NodeBudget budget;
    const char* failedCall = "nothing";
    CHECK(budget.open({0}, true, &failedCall) == 0);
    const int other = open("/sys/devices/system/node/node0/meminfo", O_RDONLY | O_CLOEXEC);
    CHECK(flock(other, LOCK_EX) == 0);
    const auto began = std::chrono::steady_clock::now();
    for (int i = 0; i < 100; i++) CHECK(budget.spend(4096, [] { return 0; }) == 0);
    const auto took = std::chrono::steady_clock::now() - began;
    CHECK(took > std::chrono::milliseconds(40) && took < std::chrono::seconds(2));
    close(other);

    std::atomic<int> inside{0};
    std::vector<std::thread> threads;
    threads.reserve(4);
    for (int i = 0; i < 4; i++) {
        threads.emplace_back([&] {
            for (int round = 0; round < 50; round++) {
                budget.spend(4096, [&] {
                    CHECK(++inside == 1);
                    std::this_thread::yield();
                    inside--;
                    return 0;
                });
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
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

// In large memory only some pages are looked at: the same number in each part, whatever order the nodes are in.
void estimateUses() {
    NumaNodesOptions options = optionsFor(512 * kMiB);
    options.hugePages = NumaNodesOptions::HugePages::kNever;
    NumaNodesRegion region;
    const char* failedCall = "nothing";
    CHECK(region.open(options, &failedCall) == 0);
    CHECK(region.commit(256 * kMiB, 160 * kMiB) == 0);
    CHECK(region.commit(0, kCommitGranule) == 0);
    const uint64_t committed = 160 * kMiB + kCommitGranule;
    CHECK(region.resident() == static_cast<int64_t>(committed) && bytesOn(region) == committed);
    // Pages that have gone back are not looked at, however large the range was.
    CHECK(region.decommit(256 * kMiB, 160 * kMiB) == 0);
    CHECK(bytesOn(region) == kCommitGranule);
}

void failToCommit() {
    NumaNodesRegion region;
    const char* failedCall = "nothing";
    CHECK(region.open(optionsFor(64 * kMiB), &failedCall) == 0);
    for (uint32_t nth = 1; nth <= 3; nth++) {
        faults::arm({{Call::kMadvise, nth, ENOMEM, false}});
        const int error = region.commit(0, 24 * kMiB);
        CHECK(faults::disarm() == 1 && error == -ENOSPC, "%d", error);
        CHECK(region.resident() == 0 && bytesOn(region) == 0);
    }
    CHECK(region.commit(0, 24 * kMiB) == 0);
    // More than the machine has: nothing of it stays committed.
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
    } sorts[] = {{Call::kOpen, EMFILE}, {Call::kMmap, ENOMEM}, {Call::kMbind, EPERM}, {Call::kMadvise, ENOMEM}};
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
        CHECK(failures > 0, "no failing %s prevented a kind", faults::name(call));
    }
}

}  // namespace

void testNodes(const Options&) {
    context() = "nodes";
    readMemoryInfo();
    readReserves();
    findControlGroups();
    if (access("/sys/devices/system/node/node0/meminfo", R_OK) != 0) {
        std::printf("nodes: this machine shows no NUMA nodes\n");
        return;
    }
    refuseToOverdraw();
    takeTurns();
    commitAndGiveBack();
    estimateUses();
    failToCommit();
    failToMake();
    std::printf("nodes: done\n");
}

}  // namespace test
