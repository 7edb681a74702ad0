// FS_IOC_FIEMAP: see fiemap.h.
#include "syscalls/fiemap.h"

#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

namespace daxkind::syscalls {

namespace {

// How many extents one call brings. Each takes 56 bytes of the stack.
constexpr size_t kExtentsPerCall = 64;
// The kernel's struct ends in an array without a length.
constexpr size_t kRequestSize = sizeof(struct fiemap) + kExtentsPerCall * sizeof(struct fiemap_extent);

}  // namespace

int readExtents(int fd, uint64_t from, uint64_t to, size_t most, std::vector<Extent>* out, bool* complete) {
    uint64_t start = from;
    *complete = start >= to;
    while (!*complete && out->size() < most) {
        alignas(struct fiemap) unsigned char memory[kRequestSize] = {};
        auto* head = reinterpret_cast<struct fiemap*>(memory);
        head->fm_start = start;
        head->fm_length = to - start;
        head->fm_extent_count = static_cast<uint32_t>(std::min(kExtentsPerCall, most - out->size()));
        if (ioctl(fd, FS_IOC_FIEMAP, head) != 0) {
            if (errno == EINTR) continue;
            return -errno;
        }
        if (head->fm_mapped_extents == 0) {
            *complete = true;
            return 0;
        }
        for (uint32_t n = 0; n < head->fm_mapped_extents; ++n) {
            struct fiemap_extent extent;
            std::memcpy(&extent, memory + sizeof(struct fiemap) + n * sizeof extent, sizeof extent);
            out->push_back({extent.fe_logical, extent.fe_physical, extent.fe_length, extent.fe_flags});
            if ((extent.fe_flags & FIEMAP_EXTENT_LAST) != 0) {
                *complete = true;
                return 0;
            }
        }
        start = out->back().logical + out->back().length;
        *complete = start >= to;
    }
    return 0;
}

int readAllExtents(int fd, uint64_t from, uint64_t to, std::vector<Extent>* out) {
    bool complete = false;
    return readExtents(fd, from, to, std::numeric_limits<size_t>::max(), out, &complete);
}

}  // namespace daxkind::syscalls
