// A region in a device-DAX device, or in a part of one: the memory of a device kind. It is there from the start and for
// good. Nothing can be given back. The memory holds what was last stored there. The part is locked, so that no two
// regions of any process have the same bytes.
//
// open() and retire() belong to one thread. Between them any thread may call.
#pragma once

#include <cstdint>

#include "region/address_range.h"
#include "region/dax_device_mapping.h"
#include "region/region.h"

namespace daxkind {

class DaxDeviceRegion final : public Region {
  public:
    DaxDeviceRegion() = default;
    DaxDeviceRegion(const DaxDeviceRegion&) = delete;
    DaxDeviceRegion& operator=(const DaxDeviceRegion&) = delete;
    ~DaxDeviceRegion() override;

    // See DaxDeviceMapping::map(). Nobody else has the bytes then.
    int open(const DaxDeviceOptions& options, const char** failedCall);

    char* base() const override { return range_.base(); }
    uint64_t capacity() const override { return range_.length(); }
    bool isElastic() const override { return false; }
    int commit(uint64_t, uint64_t) override { return 0; }
    int decommit(uint64_t, uint64_t) override { return 0; }
    int populate(uint64_t offset, uint64_t length) override;
    std::vector<guard::Part> knownBad(uint64_t offset, uint64_t length) override {
        return mapping_.knownBad(offset, length);
    }
    LossCause lossCause(const guard::Part& part) const override { return mapping_.lossCause(part); }
    void show(uint64_t offset, uint64_t length) override { range_.show(offset, length); }
    guard::Watch* watch() override { return &range_.watch(); }
    // All of it, used or not.
    int64_t resident() const override { return static_cast<int64_t>(capacity()); }
    void retire() override;

    // The numbers of the device's node.
    uint32_t deviceMajor() const { return mapping_.deviceMajor(); }
    uint32_t deviceMinor() const { return mapping_.deviceMinor(); }

  private:
    DaxDeviceMapping mapping_;
    AddressRange range_;
};

}  // namespace daxkind
