// The device mapper's tables (DM_TABLE_STATUS of /dev/mapper/control), which say what a volume is made of. Only root
// may read them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace daxkind::syscalls {

// A part of a volume, in sectors of 512 bytes.
struct DeviceMapperTarget {
    uint64_t start;
    uint64_t length;
    // "linear", "striped" and others.
    std::string type;
    // The text that `dmsetup table` prints after the type.
    std::string parameters;
};

// Reads the table of a volume that is in use. Returns 0, or a negative errno of open or ioctl: -EACCES or -EPERM
// without the right, -ENOENT where there is no device mapper.
int readDeviceMapperTable(uint32_t major, uint32_t minor, std::vector<DeviceMapperTarget>* out);

}  // namespace daxkind::syscalls
