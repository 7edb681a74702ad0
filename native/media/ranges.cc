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

std::vector<Range> inFile(const std::vector<Range>& bad, const std::vector<syscalls::Extent>& extents, uint64_t unit) {
    constexpr uint32_t kNowhere = FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_ENCODED;
    std::vector<Range> found;
    for (const syscalls::Extent& extent : extents) {
        if ((extent.flags & kNowhere) != 0) continue;
        for (const Range& range : bad) {
            const uint64_t from = std::max(range.from, extent.physical);
            const uint64_t to = std::min(range.to, extent.physical + extent.length);
            if (from >= to) continue;
            const uint64_t first = (from - extent.physical + extent.logical) / unit * unit;
            const uint64_t last = to - 1 - extent.physical + extent.logical;
            found.push_back({first, last / unit * unit + unit});
        }
    }
    return normalized(std::move(found));
}

}  // namespace daxkind::media
