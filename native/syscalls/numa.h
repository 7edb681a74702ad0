// NUMA policy and placement: mbind, move_pages, getcpu (mm/mempolicy.c). Without libnuma.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <vector>

namespace daxkind::syscalls {

// Kernels can have this many nodes (MAX_NUMNODES, with CONFIG_NODES_SHIFT up to 10).
constexpr int kMostNodes = 1024;

enum class NumaPolicy {
    // Pages come from these nodes alone. Where they are full, the kernel ends the process.
    kBind,
    // They come from these nodes first (MPOL_PREFERRED_MANY, Linux 5.15; before, from the first of them), then from
    // others.
    kPreferred,
    // From each of the nodes in turn, then from others.
    kInterleave,
};

// mbind: where the pages of a range come from when they are first touched. The failed call is mbind: -EINVAL for a
// node that has no memory, or that the process may not use (cpuset).
int bindRange(void* address, size_t length, NumaPolicy policy, const std::vector<int>& nodes);

// move_pages without targets: the node of each page, -ENOENT for one that is not there. The failed call is move_pages.
int nodesOfPages(const std::vector<void*>& pages, std::vector<int>* nodes);

// get_mempolicy(MPOL_F_MEMS_ALLOWED): the nodes that the process may have memory of (cpuset); empty where that is
// refused.
std::set<int> allowedNodes();

// getcpu: the node of the processor that this thread runs on now; 0 where it is refused.
int currentNode();

}  // namespace daxkind::syscalls
