#include "media/ranges.h"

#include <linux/fiemap.h>

#include <algorithm>
#include <sstream>

namespace daxkind::media {

namespace {

constexpr uint64_t kSector = 512;

}  // namespace

std::vector<Range> normalized(std::vector<Range> ranges) {
    std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) { return a.from < b.from; });
    std::vector<Range> merged;
    for (const Range& range : ranges) {
        if (range.from >= range.to) continue;
        if (!merged.empty() && range.from <= merged.back().to) {
            merged.back().to = std::max(merged.back().to, range.to);
        } else {
            merged.push_back(range);
        }
    }
    return merged;
}

std::vector<Range> parseBadBlocks(const std::string& text) {
    std::vector<Range> ranges;
    std::istringstream lines(text);
    uint64_t sector;
    uint64_t count;
    while (lines >> sector >> count) ranges.push_back({sector * kSector, (sector + count) * kSector});
    return normalized(std::move(ranges));
}

std::vector<Placed> placedIn(const std::vector<Range>& bad, const std::vector<syscalls::Extent>& extents,
                             uint64_t unit) {
    constexpr uint32_t kNowhere = FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_ENCODED;
    constexpr uint32_t kIsLast = FIEMAP_EXTENT_LAST;
    std::vector<Placed> found;
    for (const syscalls::Extent& extent : extents) {
        if ((extent.flags & kNowhere) != 0) continue;
        const uint64_t end = extent.physical + extent.length;
        const auto isBefore = [](const Range& range, uint64_t at) { return range.to <= at; };
        auto range = std::lower_bound(bad.begin(), bad.end(), extent.physical, isBefore);
        for (; range != bad.end() && range->from < end; ++range) {
            const uint64_t from = std::max(range->from, extent.physical) - extent.physical + extent.logical;
            const uint64_t last = std::min(range->to, end) - 1 - extent.physical + extent.logical;
            const uint64_t first = from / unit * unit;
            const uint64_t before = first < extent.logical ? extent.logical - first : 0;
            const uint64_t device = before > 0 ? extent.physical - std::min(before, extent.physical)
                                               : extent.physical + (first - extent.logical);
            Placed placed{first, last / unit * unit + unit - first, device, extent.flags & ~kIsLast};
            Placed* const previous = found.empty() ? nullptr : &found.back();
            const bool isOnward = previous != nullptr && previous->flags == placed.flags && previous->from <= first &&
                                  first <= previous->from + previous->length &&
                                  device - previous->device == first - previous->from;
            if (isOnward) {
                previous->length = std::max(previous->length, first + placed.length - previous->from);
            } else {
                found.push_back(placed);
            }
        }
    }
    return found;
}

std::vector<Range> inFile(const std::vector<Range>& bad, const std::vector<syscalls::Extent>& extents, uint64_t unit) {
    std::vector<Range> found;
    for (const Placed& placed : placedIn(bad, extents, unit)) {
        found.push_back({placed.from, placed.from + placed.length});
    }
    return normalized(std::move(found));
}

}  // namespace daxkind::media
