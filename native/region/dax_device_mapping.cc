// See dax_device_mapping.h.
#include "region/dax_device_mapping.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "media/bad_blocks.h"
#include "region/caches.h"
#include "syscalls/locks.h"
#include "syscalls/mapping.h"
#include "syscalls/sizes.h"

namespace daxkind {

int DaxDeviceMapping::map(const DaxDeviceOptions& options, Use use, const char** failedCall) {
    *failedCall = "open";
    syscalls::Descriptor fd(::open(options.path, O_RDWR | O_CLOEXEC));
    if (!fd.isOpen()) return -errno;

    *failedCall = "fstat";
    struct stat status;
    if (fstat(fd.get(), &status) != 0) return -errno;
    if (!S_ISCHR(status.st_mode)) return -ENODEV;

    *failedCall = "mmap";
    if (kCachesMayAlias) return -ENOTSUP;

    // With huge pages disabled, the kernel would serve no fault of more than a page (drivers/dax/device.c by way of
    // transhuge_vma_suitable).
    *failedCall = "prctl";
    if (options.align > syscalls::pageSize() && prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) > 0) return -ENOTSUP;

    *failedCall = "fcntl";
    int error = use == Use::kAlone ? syscalls::lockRange(fd.get(), options.offset, options.size)
                                   : syscalls::lockRangeShared(fd.get(), options.offset, options.size);
    if (error != 0) return error;

    *failedCall = "mmap";
    const size_t alignment = std::max<size_t>(options.align, syscalls::alignmentFor(options.size));
    syscalls::MapOptions mapOptions;
    mapOptions.hint = options.hint;
    void* at = nullptr;
    error = syscalls::mapFileAligned(fd.get(), options.offset, options.size, mapOptions, alignment, &at);
    if (error != 0) return error;

    *failedCall = "madvise";
    error = syscalls::adviseDontFork(at, options.size);
    // A device may be unbound while its node is still there. So a device that cannot be touched is found here, and not
    // by SIGBUS.
    if (error == 0) error = syscalls::checkPage(at);
    if (error == 0) error = syscalls::checkPage(static_cast<char*>(at) + options.size - syscalls::pageSize());
    if (error != 0) {
        syscalls::unmap(at, options.size);
        return error;
    }
    fd_ = std::move(fd);
    address_ = static_cast<char*>(at);
    major_ = major(status.st_rdev);
    minor_ = minor(status.st_rdev);
    offset_ = options.offset;
    length_ = options.size;
    align_ = options.align;
    return 0;
}

void DaxDeviceMapping::release() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!fd_.isOpen()) return;
    syscalls::unlockRange(fd_.get(), offset_, length_);
    fd_.reset();
}

std::vector<guard::Part> DaxDeviceMapping::knownBad(uint64_t offset, uint64_t length) const {
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

LossCause DaxDeviceMapping::lossCause(const guard::Part& part) const {
    if (part.isPoisoned) return LossCause::kMedia;
    // Before 6.2 the kernel says only that there is no memory. A mapping tells more: a device that is gone cannot be
    // mapped.
    const std::lock_guard<std::mutex> lock(mutex_);
    void* at = nullptr;
    const syscalls::MapOptions options;
    const int error = syscalls::mapFileAligned(fd_.get(), offset_ + part.offset, part.length, options,
                                               std::max<size_t>(align_, kHugePageSize), &at);
    if (error != 0) return error == -ENXIO ? LossCause::kRemoved : LossCause::kUnknown;
    const bool isBad = syscalls::checkPage(at) != 0;
    syscalls::unmap(at, part.length);
    return isBad ? LossCause::kMedia : LossCause::kUnknown;
}

}  // namespace daxkind
