#include "syscalls/numa.h"

#include <linux/mempolicy.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace daxkind::syscalls {

namespace {

// MPOL_PREFERRED_MANY (include/uapi/linux/mempolicy.h): Linux 5.15 brought it, and older headers lack it.
constexpr int kPreferredMany = 5;

constexpr size_t kBitsPerWord = 8 * sizeof(unsigned long);

int mbindRange(void* address, size_t length, int mode, const unsigned long* mask) {
    // One more than the number of bits, because the kernel subtracts one.
    constexpr unsigned long kBits = kMostNodes + 1;
    // If a node goes away, no other one replaces it, and the policy names it again when it comes back.
    return syscall(SYS_mbind, address, length, mode | MPOL_F_STATIC_NODES, mask, kBits, 0) == 0 ? 0 : -errno;
}

}  // namespace

int bindRange(void* address, size_t length, NumaPolicy policy, const std::vector<int>& nodes) {
    // A word more than the nodes need, because the kernel looks at the bit after them.
    unsigned long mask[kMostNodes / kBitsPerWord + 1] = {};
    const auto set = [&mask](int node) {
        mask[static_cast<size_t>(node) / kBitsPerWord] |= 1ul << static_cast<size_t>(node) % kBitsPerWord;
    };
    for (const int node : nodes) set(node);
    if (policy == NumaPolicy::kBind) return mbindRange(address, length, MPOL_BIND, mask);
    if (policy == NumaPolicy::kInterleave) return mbindRange(address, length, MPOL_INTERLEAVE, mask);
    if (nodes.size() > 1 && mbindRange(address, length, kPreferredMany, mask) == 0) return 0;
    for (unsigned long& word : mask) word = 0;
    set(nodes.front());
    return mbindRange(address, length, MPOL_PREFERRED, mask);
}

int nodesOfPages(const std::vector<void*>& pages, std::vector<int>* nodes) {
    nodes->assign(pages.size(), -ENOENT);
    const long result =
        syscall(SYS_move_pages, 0, static_cast<unsigned long>(pages.size()), pages.data(), nullptr, nodes->data(), 0);
    return result == 0 ? 0 : -errno;
}

std::set<int> allowedNodes() {
    unsigned long mask[kMostNodes / kBitsPerWord] = {};
    std::set<int> nodes;
    if (syscall(SYS_get_mempolicy, nullptr, mask, static_cast<unsigned long>(kMostNodes), nullptr,
                MPOL_F_MEMS_ALLOWED) != 0)
        return nodes;
    for (int node = 0; node < kMostNodes; node++) {
        const auto at = static_cast<size_t>(node);
        if ((mask[at / kBitsPerWord] >> at % kBitsPerWord & 1) != 0) nodes.insert(node);
    }
    return nodes;
}

int currentNode() {
    unsigned cpu = 0;
    unsigned node = 0;
    return syscall(SYS_getcpu, &cpu, &node, nullptr) == 0 ? static_cast<int>(node) : 0;
}

}  // namespace daxkind::syscalls
