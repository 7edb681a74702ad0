// How much memory the kernel can give on some NUMA nodes without ending a process for it. A node that is full is no
// error to the kernel: the process that wants a page is killed, also where other nodes have room. So a region asks here
// before it touches anything, and keeps others of this kind from asking at the same time.
#pragma once

#include <cerrno>
#include <cstdint>
#include <string>
#include <vector>

namespace daxkind {

// What meminfo says, in bytes: /proc/meminfo, or that of a node, whose lines begin "Node N".
struct MemoryInfo {
    uint64_t total = 0;
    // What can be had without swapping: MemAvailable, or what the kernel would make of the lines where that is not
    // there (a node's): free memory, and half of the page cache and of the slabs that can be reclaimed.
    uint64_t available = 0;
};

// Pure. All zeros for a text that is none.
MemoryInfo parseMemoryInfo(const std::string& text);

class NodeBudget {
  public:
    NodeBudget() = default;
    NodeBudget(const NodeBudget&) = delete;
    NodeBudget& operator=(const NodeBudget&) = delete;
    ~NodeBudget();

    // `isStrict`: memory comes from these nodes alone; if not, from all of the machine. 0, or -errno with the system
    // call that failed: -ENOENT of open where there is no such node.
    int open(const std::vector<int>& nodes, bool isStrict, const char** failedCall);

    // Does something that takes so many bytes, if they are there: 0 or its result; -ENOSPC if they are not. Others wait
    // meanwhile, in other processes, too.
    template <typename Take>
    int spend(uint64_t bytes, Take take) {
        const int error = begin();
        if (error != 0) return error;
        const int result = available() < bytes ? -ENOSPC : take();
        end();
        return result;
    }

    // Bytes that the nodes have in all, used or not.
    uint64_t total() const;

  private:
    int begin();
    void end();
    // Bytes that can be taken now.
    uint64_t available() const;

    std::vector<int> nodes_;  // Descriptors of the nodes' meminfo.
    int machine_ = -1;        // Of /proc/meminfo, where memory may come from all nodes.
    // The directories of the control groups that bound this process, the nearest first.
    std::vector<std::string> groups_;
};

}  // namespace daxkind
