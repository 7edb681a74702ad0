// The bad blocks of a device as the kernel knows them now. The kernel keeps a list for each persistent-memory disk, in
// sectors of that disk's data, and one for each nvdimm region. Partitions, volumes of the device mapper and device-DAX
// devices have none: theirs are those of what they are parts of.
//
// What a device is made of is looked up once; read() is a few short files, some ten microseconds.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "guard/watched.h"
#include "media/ranges.h"

namespace daxkind::media {

// A bad range of a device, and where it is in the list that names it.
struct ListedRange {
    Range here;
    // The list's file, and the range's first byte in the device that the list is of.
    std::string source;
    uint64_t there = 0;
};

class BadBlocks {
  public:
    // Of a block device. `sys` is where sysfs is.
    static BadBlocks ofBlockDevice(uint32_t major, uint32_t minor, const std::string& sys = "/sys");
    // Of a device-DAX device.
    static BadBlocks ofDaxDevice(uint32_t major, uint32_t minor, const std::string& sys = "/sys");

    // In bytes of the device.
    std::vector<Range> read() const;
    // The same, each with where it is listed, in order.
    std::vector<ListedRange> readListed() const;
    // The files that it reads.
    std::vector<std::string> sources() const;
    // Why the lists may not be all, for a person; empty if they are.
    std::string doubt() const;
    // Whether there is any list.
    bool isEmpty() const { return file_.empty() && parts_.empty(); }

  private:
    struct Part;

    void collect(std::vector<ListedRange>* here) const;

    // A list of its own; or parts of other devices.
    std::string file_;
    std::vector<Part> parts_;
    std::string doubt_;
};

// Bytes [from, from + length) of another device are this one's from `at` on. With stripes they are so chunk by chunk:
// of each round of `stripes` chunks this device has the one of number `index`.
struct BadBlocks::Part {
    BadBlocks device;
    uint64_t from = 0;
    uint64_t length = 0;
    uint64_t at = 0;
    uint64_t stripes = 1;
    uint64_t index = 0;
    uint64_t chunk = 0;

    // Adds where a range of the other device is here.
    void add(const ListedRange& listed, std::vector<ListedRange>* here) const;
};

// Which pages of a part of an open file are on bad blocks of its device, in bytes from the part's start. None where the
// file system does not say where its files are.
std::vector<guard::Part> badInFile(int fd, uint64_t offset, uint64_t length, const BadBlocks& device);

}  // namespace daxkind::media
