// The device mapper's tables (DM_TABLE_STATUS of /dev/mapper/control): what a volume is made of. For root alone.
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
    // As `dmsetup table` prints them behind the type.
    std::string parameters;
};

// The table of a volume that is in use. Returns 0, or a negative errno of open or ioctl: -EACCES or -EPERM without the
// right, -ENOENT where there is no device mapper.
int readDeviceMapperTable(uint32_t major, uint32_t minor, std::vector<DeviceMapperTarget>* out);

}  // namespace daxkind::syscalls
