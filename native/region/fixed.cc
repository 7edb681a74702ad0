#include "region/fixed.h"

#include "syscalls/mapping.h"

namespace daxkind {

int FixedRegion::populate(uint64_t offset, uint64_t length) {
    return syscalls::populateWrite(base_ + offset, length);
}

}  // namespace daxkind
