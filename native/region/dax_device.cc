#include "region/dax_device.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "media/bad_blocks.h"
#include "region/caches.h"
#include "syscalls/locks.h"
#include "syscalls/mapping.h"
#include "syscalls/sizes.h"

namespace daxkind {

DaxDeviceRegion::~DaxDeviceRegion() {
    retire();
}

int DaxDeviceRegion::open(const DaxDeviceOptions& options, const char** failedCall) {
    *failedCall = "open";
    fd_ = ::open(options.path, O_RDWR | O_CLOEXEC);
    if (fd_ < 0) return -errno;
    const int error = map(options, failedCall);
    if (error != 0) {
        close(fd_);
        fd_ = -1;
    }
    return error;
}

int DaxDeviceRegion::map(const DaxDeviceOptions& options, const char** failedCall) {
    *failedCall = "fstat";
    struct stat status;
    if (fstat(fd_, &status) != 0) return -errno;
    if (!S_ISCHR(status.st_mode)) return -ENODEV;
    major_ = major(status.st_rdev);
    minor_ = minor(status.st_rdev);

    *failedCall = "mmap";
    if (kCachesMayAlias) return -ENOTSUP;

    // With huge pages disabled, the kernel would serve no fault of more than a page (drivers/dax/device.c by way of
    // transhuge_vma_suitable).
    *failedCall = "prctl";
    if (options.align > syscalls::pageSize() && prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) > 0) return -ENOTSUP;

    *failedCall = "fcntl";
    int error = syscalls::lockRange(fd_, options.offset, options.size);
    if (error != 0) return error;
    offset_ = options.offset;
    granule_ = options.align;

    *failedCall = "mmap";
    syscalls::MapOptions map;
    map.hint = AddressRange::hintFor(options.size);
    const size_t alignment = std::max<size_t>(options.align, kHugePageSize);
    void* at = nullptr;
    error = syscalls::mapFileAligned(fd_, options.offset, options.size, map, alignment, &at);
    if (error != 0) return error;

    *failedCall = "madvise";
    error = syscalls::adviseDontFork(at, options.size);
    // A device may be unbound while its node is still there. So a device that cannot be touched is found here, and not
    // by SIGBUS.
    if (error == 0) error = syscalls::checkPage(at);
    if (error == 0) error = syscalls::checkPage(static_cast<char*>(at) + options.size - syscalls::pageSize());
    if (error == 0) {
        error = range_.take(at, options.size, options.align, failedCall);
    }
    if (error != 0) syscalls::unmap(at, options.size);
    return error;
}

int DaxDeviceRegion::populate(uint64_t offset, uint64_t length) {
    return syscalls::populateWrite(base() + offset, length);
}

std::vector<guard::Part> DaxDeviceRegion::knownBad(uint64_t offset, uint64_t length) {
    const uint64_t page = syscalls::pageSize();
    const uint64_t begin = offset_ + offset;
    std::vector<guard::Part> parts;
    for (const media::Range& range : media::BadBlocks::ofDaxDevice(major_, minor_).read()) {
        const uint64_t from = std::max(range.from / page * page, begin);
        const uint64_t to = std::min((range.to + page - 1) / page * page, begin + length);
        if (from < to) parts.push_back({from - begin, to - from, true});
    }
    return parts;
}

LossCause DaxDeviceRegion::lossCause(const guard::Part& part) const {
    if (part.isPoisoned) return LossCause::kMedia;
    // Before 6.2 the kernel says only that there is no memory. A mapping tells more: a device that is gone cannot be
    // mapped.
    void* at = nullptr;
    const syscalls::MapOptions options;
    const int error = syscalls::mapFileAligned(fd_, offset_ + part.offset, part.length, options,
                                               std::max<size_t>(granule_, kHugePageSize), &at);
    if (error != 0) return error == -ENXIO ? LossCause::kRemoved : LossCause::kUnknown;
    const bool isBad = syscalls::checkPage(at) != 0;
    syscalls::unmap(at, part.length);
    return isBad ? LossCause::kMedia : LossCause::kUnknown;
}

void DaxDeviceRegion::retire() {
    if (fd_ < 0) return;
    range_.letGo(capacity());
    // This comes last, because others may take the range from then on.
    syscalls::unlockRange(fd_, offset_, capacity());
    close(fd_);
    fd_ = -1;
}

}  // namespace daxkind
