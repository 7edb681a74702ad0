// NUMA policy and placement: mbind, move_pages, getcpu (mm/mempolicy.c), without libnuma.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <vector>

namespace daxkind::syscalls {

// The most nodes that a kernel can have (MAX_NUMNODES, with CONFIG_NODES_SHIFT up to 10).
constexpr int kMostNodes = 1024;

enum class NumaPolicy {
    // Pages come from these nodes alone. When the nodes are full, the kernel ends the process.
    kBind,
    // Pages come from these nodes first, then from others (MPOL_PREFERRED_MANY, Linux 5.15). Older kernels prefer only
    // the first of the nodes.
    kPreferred,
    // Pages come from each of the nodes in turn, then from others.
    kInterleave,
};

// mbind: where the pages of a range come from when they are first touched. The failed call is mbind: -EINVAL for a node
// that has no memory, or that the process may not use (cpuset).
int bindRange(void* address, size_t length, NumaPolicy policy, const std::vector<int>& nodes);

// move_pages without targets: gives the node of each page, or -ENOENT for a page that is not there. The failed call is
// move_pages.
int nodesOfPages(const std::vector<void*>& pages, std::vector<int>* nodes);

// get_mempolicy(MPOL_F_MEMS_ALLOWED): the nodes from which the process may take memory (cpuset). Empty where the call
// is refused.
std::set<int> allowedNodes();

// getcpu: the node of the processor that this thread runs on now. 0 where the call is refused.
int currentNode();

}  // namespace daxkind::syscalls
