#include "region/dax_device.h"

#include "syscalls/mapping.h"

namespace daxkind {

DaxDeviceRegion::~DaxDeviceRegion() {
    retire();
}

int DaxDeviceRegion::open(const DaxDeviceOptions& options, const char** failedCall) {
    DaxDeviceOptions hinted = options;
    hinted.hint = AddressRange::hintFor(options.size);
    int error = mapping_.map(hinted, DaxDeviceMapping::Use::kAlone, failedCall);
    if (error != 0) return error;
    error = range_.take(mapping_.address(), options.size, options.align, failedCall);
    if (error == 0) return 0;
    syscalls::unmap(mapping_.address(), options.size);
    mapping_.release();
    return error;
}

int DaxDeviceRegion::populate(uint64_t offset, uint64_t length) {
    return syscalls::populateWrite(base() + offset, length);
}

void DaxDeviceRegion::retire() {
    if (!mapping_.isMapped()) return;
    range_.letGo(capacity());
    // This comes last, because others may take the range from then on.
    mapping_.release();
}

}  // namespace daxkind
