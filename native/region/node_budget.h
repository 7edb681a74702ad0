// How much memory the kernel can give on some NUMA nodes without ending a process for it. A node that is full is no
// error to the kernel: the process that wants a page is killed, also where other nodes have room. So a region asks here
// before it touches anything, and keeps others of this kind from asking at the same time, as far as it can.
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
    // What can be had without swapping: free memory, and half of the page cache and of the slabs that can be reclaimed,
    // as the kernel makes MemAvailable of the machine of them (si_mem_available in mm/show_mem.c).
    uint64_t available = 0;
};

// Pure. All zeros for a text that is none.
MemoryInfo parseMemoryInfo(const std::string& text);

// What the kernel keeps of each node for itself, in bytes, by /proc/zoneinfo: the high watermark and what lower zones
// hold back from requests that could be served elsewhere, as calculate_totalreserve_pages has it (mm/page_alloc.c).
// Pure.
std::map<int, uint64_t> parseReserves(const std::string& text, uint64_t pageSize);

// A directory whose files bound the memory of this process.
struct ControlGroup {
    std::string directory;
    bool isVersion1;
};

// The control groups of a process that have a say in its memory, of both versions, each before those above it: by
// /proc/self/cgroup, and by where that shows them, /proc/self/mountinfo. Pure.
std::vector<ControlGroup> parseControlGroups(const std::string& groups, const std::string& mounts);

class NodeBudget {
  public:
    NodeBudget() = default;
    NodeBudget(const NodeBudget&) = delete;
    NodeBudget& operator=(const NodeBudget&) = delete;
    ~NodeBudget();

    // `isStrict`: memory comes from these nodes alone; if not, from all that there are. 0, or -errno with the system
    // call that failed: -ENOENT of open where there is no such node; -EIO of read where its size is not to be read.
    int open(const std::vector<int>& nodes, bool isStrict, const char** failedCall);

    // Does something that takes so many bytes, if `wanted` are there, of which they are a part: 0 or its result;
    // -ENOSPC if they are not. Others that take memory wait meanwhile, in this process; in others as long as that is
    // short.
    template <typename Take>
    int spend(uint64_t wanted, Take take) {
        const Turn turn(this);
        return available() < wanted ? -ENOSPC : take();
    }

    // Bytes that the wanted nodes have in all, used or not.
    uint64_t total() const { return total_; }
    // Bytes that could be taken at this moment.
    uint64_t room() {
        const Turn turn(this);
        return available();
    }

  private:
    struct Node {
        int number;
        int fd;            // Of its meminfo.
        uint64_t reserve;  // What the kernel keeps.
    };

    // While it lives, nobody else takes memory; where that cannot be had in time, more of it is left alone.
    class Turn {
      public:
        explicit Turn(NodeBudget* budget);
        ~Turn();

      private:
        NodeBudget* const budget_;
        const std::lock_guard<std::mutex> lock_;
    };

    int openNode(int number);
    // What its meminfo says, opened again if the node has gone and come.
    MemoryInfo read(Node& node);
    uint64_t available();
    uint64_t roomInGroups();
    bool lockFiles();

    std::vector<Node> nodes_;  // Where memory may come from, by their numbers.
    uint64_t total_ = 0;
    bool isAlone_ = false;
    // When another process last held the lock for longer than is waited for.
    std::chrono::steady_clock::time_point gaveUp_{};
    std::string groupsText_;
    std::vector<ControlGroup> groups_;
};

}  // namespace daxkind
