// How much memory the kernel can give on some NUMA nodes without killing a process. To the kernel a full node is not an
// error: it kills the process that wants a page, even if other nodes have room. So a region asks here before it touches
// anything. As far as it can, it keeps other regions on NUMA nodes from asking at the same time, in this process and in
// others.
#pragma once

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace daxkind {

// What the meminfo of a node says, in bytes.
struct MemoryInfo {
    uint64_t total = 0;
    // What can be had without swapping: free memory, and half of the page cache and of the reclaimable slabs. The
    // kernel computes the machine's MemAvailable in the same way (si_mem_available in mm/show_mem.c).
    uint64_t available = 0;
};

// Pure. All zeros for any other text.
MemoryInfo parseMemoryInfo(const std::string& text);

// What the kernel keeps of each node for itself, in bytes, by the text of /proc/zoneinfo. That is the high watermark,
// and what a zone holds back from requests that other zones could serve (calculate_totalreserve_pages in
// mm/page_alloc.c). Pure.
std::map<int, uint64_t> parseReserves(const std::string& text, uint64_t pageSize);

// A control group: a directory whose files limit the memory of this process.
struct ControlGroup {
    std::string directory;
    bool isVersion1;
};

// The control groups that limit a process's memory, of both versions, each before the groups above it. `groups` is the
// text of /proc/self/cgroup, which names them. `mounts` is the text of /proc/self/mountinfo, which says where they are.
// Pure.
std::vector<ControlGroup> parseControlGroups(const std::string& groups, const std::string& mounts);

class NodeBudget {
  public:
    NodeBudget() = default;
    NodeBudget(const NodeBudget&) = delete;
    NodeBudget& operator=(const NodeBudget&) = delete;
    ~NodeBudget();

    // `isStrict`: memory comes from these nodes alone. Otherwise it may come from all nodes of the machine. 0, or
    // -errno with the system call that failed: -ENOENT of open if there is no such node; -EIO of read if no node tells
    // its size.
    int open(const std::vector<int>& nodes, bool isStrict, const char** failedCall);

    // Calls `take`, which takes some or all of `wanted` bytes, if that much is there. Returns the result of `take`, or
    // -ENOSPC if there is less. Meanwhile other regions of this process that take memory wait. Those of other processes
    // wait for a short time only.
    template <typename Take>
    int spend(uint64_t wanted, Take take) {
        const Turn turn(this);
        return available() < wanted ? -ENOSPC : take();
    }

    // Bytes that the wanted nodes had in all at open(), used or not.
    uint64_t total() const { return total_; }
    // Bytes that could be taken at this moment.
    uint64_t room() {
        const Turn turn(this);
        return available();
    }

  private:
    struct Node {
        int number;
        int fd;            // Its meminfo, open.
        uint64_t reserve;  // Bytes that the kernel keeps for itself.
    };

    // While it lives, nobody else takes memory. If other processes cannot be kept from it in time, a larger margin is
    // left to them.
    class Turn {
      public:
        explicit Turn(NodeBudget* budget);
        ~Turn();

      private:
        NodeBudget* const budget_;
        const std::lock_guard<std::mutex> lock_;
    };

    int openNode(int number);
    // What the node's meminfo says. Opens it again if the node was removed and has come back.
    MemoryInfo read(Node& node);
    uint64_t available();
    uint64_t roomInGroups();
    bool lockFiles();

    std::vector<Node> nodes_;  // The nodes that memory may come from, in the order of their numbers.
    uint64_t total_ = 0;
    bool isAlone_ = false;
    // When this last gave up waiting for another process's lock.
    std::chrono::steady_clock::time_point gaveUp_{};
    std::string groupsText_;
    std::vector<ControlGroup> groups_;
};

}  // namespace daxkind
