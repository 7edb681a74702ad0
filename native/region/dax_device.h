// A region in a device-DAX device, or in a part of one: the memory of a device kind. It is there from the start and for
// good. Nothing can be given back. The memory holds what was last stored there. The part is locked, so that no two
// regions of any process have the same bytes.
//
// open() and retire() belong to one thread. Between them any thread may call.
#pragma once

#include <cstdint>

#include "region/address_range.h"
#include "region/region.h"

namespace daxkind {

struct DaxDeviceOptions {
    const char* path = nullptr;
    // Bytes, multiples of `align`.
    uint64_t offset = 0;
    uint64_t size = 0;
    // The device's alignment in bytes. Offset, length and address of a mapping are multiples of it, and one fault maps
    // this much.
    uint64_t align = 0;
};

class DaxDeviceRegion final : public Region {
  public:
    DaxDeviceRegion() = default;
    DaxDeviceRegion(const DaxDeviceRegion&) = delete;
    DaxDeviceRegion& operator=(const DaxDeviceRegion&) = delete;
    ~DaxDeviceRegion() override;

    // 0, or -errno with the system call that failed: then nothing is left behind. -EAGAIN of fcntl: another region has
    // some of those bytes. -ENOTSUP of prctl: this process has huge pages disabled, and each fault would be SIGBUS.
    // -EFAULT of madvise: the device has no memory behind these addresses, or has none any more.
    int open(const DaxDeviceOptions& options, const char** failedCall);

    char* base() const override { return range_.base(); }
    uint64_t capacity() const override { return range_.length(); }
    bool isElastic() const override { return false; }
    int commit(uint64_t, uint64_t) override { return 0; }
    int decommit(uint64_t, uint64_t) override { return 0; }
    int populate(uint64_t offset, uint64_t length) override;
    std::vector<guard::Part> knownBad(uint64_t offset, uint64_t length) override;
    LossCause lossCause(const guard::Part& part) const override;
    void show(uint64_t offset, uint64_t length) override { range_.show(offset, length); }
    guard::Watch* watch() override { return &range_.watch(); }
    // All of it, used or not.
    int64_t resident() const override { return static_cast<int64_t>(capacity()); }
    void retire() override;

    // The numbers of the device's node.
    uint32_t deviceMajor() const { return major_; }
    uint32_t deviceMinor() const { return minor_; }

  private:
    int map(const DaxDeviceOptions& options, const char** failedCall);

    int fd_ = -1;
    uint32_t major_ = 0;
    uint32_t minor_ = 0;
    uint64_t offset_ = 0;
    uint64_t granule_ = 0;
    AddressRange range_;
};

}  // namespace daxkind
