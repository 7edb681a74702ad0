// The bad blocks of a device as the kernel knows them now. The kernel keeps a list for each persistent-memory disk, in
// sectors of that disk's data, and one for each nvdimm region. Partitions, volumes of the device mapper and device-DAX
// devices have no lists: their bad blocks are those of the devices that they are parts of.
//
// What a device is made of is looked up once. read() reads a few short files and takes some ten microseconds.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "guard/watched.h"
#include "media/ranges.h"

namespace daxkind::media {

// A bad range of a device, and its place in the list that names it.
struct ListedRange {
    Range here;
    // The list's file, and the range's first byte in the device that the list belongs to.
    std::string source;
    uint64_t there = 0;
};

class BadBlocks {
  public:
    // The bad blocks of a block device. `sys` is where sysfs is.
    static BadBlocks ofBlockDevice(uint32_t major, uint32_t minor, const std::string& sys = "/sys");
    // The bad blocks of a device-DAX device.
    static BadBlocks ofDaxDevice(uint32_t major, uint32_t minor, const std::string& sys = "/sys");

    // The bad ranges, in bytes of the device.
    std::vector<Range> read() const;
    // The same, in order, each with its place in a list.
    std::vector<ListedRange> readListed() const;
    // The files that read() reads.
    std::vector<std::string> sources() const;
    // Why the lists may be incomplete, in words for a person. Empty if they are complete.
    std::string doubt() const;
    // Whether there is any list.
    bool isEmpty() const { return file_.empty() && parts_.empty(); }

  private:
    struct Part;

    void collect(std::vector<ListedRange>* here) const;

    // The device's own list. If it is empty, the device may have parts of other devices.
    std::string file_;
    std::vector<Part> parts_;
    std::string doubt_;
};

// Bytes [from, from + length) of another device are the bytes of this one from `at` on. With stripes that goes chunk by
// chunk: of each round of `stripes` chunks, this part has the chunk with number `index`.
struct BadBlocks::Part {
    BadBlocks device;
    uint64_t from = 0;
    uint64_t length = 0;
    uint64_t at = 0;
    uint64_t stripes = 1;
    uint64_t index = 0;
    uint64_t chunk = 0;

    // Adds the place in this device of a range of the other device.
    void add(const ListedRange& listed, std::vector<ListedRange>* here) const;
};

// The pages of a part of an open file that are on bad blocks of its device, in bytes from the part's start. Empty if
// the file system does not say where its files are.
std::vector<guard::Part> badInFile(int fd, uint64_t offset, uint64_t length, const BadBlocks& device);

}  // namespace daxkind::media
