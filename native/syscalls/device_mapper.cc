// The device mapper's tables: see device_mapper.h.
#include "syscalls/device_mapper.h"

#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "syscalls/sizes.h"

namespace daxkind::syscalls {

namespace {

constexpr size_t kFirstSize = 16 * kKiB;
constexpr size_t kLargestSize = 16 * kMiB;

// Makes one ioctl with a buffer of that size. 0, -ENOSPC if the table does not fit, or another negative errno.
int ask(int fd, uint32_t major, uint32_t minor, std::vector<uint64_t>* memory) {
    const size_t size = memory->size() * sizeof(uint64_t);
    auto* const head = reinterpret_cast<struct dm_ioctl*>(memory->data());
    std::memset(head, 0, sizeof *head);
    // 4.0.0: the kernel wants its own major version, and takes any lower minor version.
    head->version[0] = DM_VERSION_MAJOR;
    head->data_size = static_cast<uint32_t>(size);
    head->data_start = sizeof *head;
    // The kernel packs a device's numbers as the first version of stat did (new_encode_dev).
    head->dev = (minor & 0xff) | (major << 8) | (uint64_t{minor & ~0xffu} << 12);
    head->flags = DM_STATUS_TABLE_FLAG;
    if (ioctl(fd, DM_TABLE_STATUS, head) != 0) return -errno;
    return (head->flags & DM_BUFFER_FULL_FLAG) != 0 ? -ENOSPC : 0;
}

}  // namespace

int readDeviceMapperTable(uint32_t major, uint32_t minor, std::vector<DeviceMapperTarget>* out) {
    const int fd = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
    if (fd < 0) return -errno;
    std::vector<uint64_t> memory;
    int result = -ENOSPC;
    for (size_t size = kFirstSize; result == -ENOSPC && size <= kLargestSize; size *= 4) {
        memory.assign(size / sizeof(uint64_t), 0);
        result = ask(fd, major, minor, &memory);
    }
    close(fd);
    if (result != 0) return result;
    const char* const bytes = reinterpret_cast<const char*>(memory.data());
    struct dm_ioctl head;
    std::memcpy(&head, bytes, sizeof head);
    size_t at = head.data_start;
    for (uint32_t n = 0; n < head.target_count; n += 1) {
        struct dm_target_spec spec;
        std::memcpy(&spec, bytes + at, sizeof spec);
        spec.target_type[DM_MAX_TYPE_NAME - 1] = '\0';
        out->push_back({spec.sector_start, spec.length, spec.target_type, bytes + at + sizeof spec});
        // For this command, the offset counts from the start of the data.
        at = head.data_start + spec.next;
    }
    return 0;
}

}  // namespace daxkind::syscalls
