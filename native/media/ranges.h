// Sets of byte ranges: bad blocks, and what they become where one device is a part of another, or of a file.
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

// In order, none overlapping or touching another.
std::vector<Range> normalized(std::vector<Range> ranges);

// The kernel's lists, `badblocks` in sysfs: lines of the first sector and how many, of 512 bytes each.
std::vector<Range> parseBadBlocks(const std::string& text);

// A part of a file that is on bad bytes of its device.
struct Placed {
    // In the file, whole multiples of the unit.
    uint64_t from = 0;
    uint64_t length = 0;
    // On the device.
    uint64_t device = 0;
    // FIEMAP_EXTENT_ bits of the extent.
    uint32_t flags = 0;
};

// Which bytes of a file are on bad bytes of its device: in the order of the extents, widened to whole multiples of
// `unit`, the least that can be read or written; what is one piece in the file and on the device is one here. Extents
// whose place on the device is not known have none. `bad` must be normalized.
std::vector<Placed> placedIn(const std::vector<Range>& bad, const std::vector<syscalls::Extent>& extents,
                             uint64_t unit);

// The same as bytes of the file alone: in its order, none overlapping or touching another.
std::vector<Range> inFile(const std::vector<Range>& bad, const std::vector<syscalls::Extent>& extents, uint64_t unit);

}  // namespace daxkind::media
