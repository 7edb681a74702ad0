// Sets of byte ranges: bad blocks, and where they are when a device is a part of another one, or of a file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "syscalls/fiemap.h"

namespace daxkind::media {

// [from, to), in bytes.
struct Range {
    uint64_t from = 0;
    uint64_t to = 0;
};

// Sorts the ranges and joins those that overlap or touch.
std::vector<Range> normalized(std::vector<Range> ranges);

// Parses the kernel's lists, `badblocks` in sysfs. Each line has a first sector and a number of sectors, of 512 bytes
// each.
std::vector<Range> parseBadBlocks(const std::string& text);

// A part of a file that is on bad bytes of its device.
struct Placed {
    // In the file; both are whole multiples of the unit.
    uint64_t from = 0;
    uint64_t length = 0;
    // The offset on the device.
    uint64_t device = 0;
    // The FIEMAP_EXTENT_ bits of the extent.
    uint32_t flags = 0;
};

// The bytes of a file that are on bad bytes of its device, in the order of the extents. They are widened to whole
// multiples of `unit`, the least that can be read or written. A piece that is consecutive in the file and on the device
// is one entry. Extents whose place on the device is unknown are left out. `bad` must be normalized.
std::vector<Placed> placedIn(const std::vector<Range>& bad, const std::vector<syscalls::Extent>& extents,
                             uint64_t unit);

// The same, as bytes of the file alone: in its order, no two of them overlapping or touching.
std::vector<Range> inFile(const std::vector<Range>& bad, const std::vector<syscalls::Extent>& extents, uint64_t unit);

}  // namespace daxkind::media
