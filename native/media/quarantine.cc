#include "media/quarantine.h"

#include <linux/fiemap.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "syscalls/allocation.h"
#include "syscalls/fiemap.h"
#include "syscalls/fsxattr.h"
#include "syscalls/kernel.h"
#include "syscalls/sizes.h"

// linux/fs.h: 3.15.
#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE (1 << 1)
#endif

namespace daxkind::media {

namespace {

constexpr uint64_t kChunk = kMiB;

std::string parentOf(const std::string& path) {
    const size_t slash = path.rfind('/');
    return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

Quarantine::Quarantine(QuarantineRequest request) : request_(std::move(request)), bytes_(nullptr, &std::free) {}

Quarantine::~Quarantine() {
    if (isMade_ && !isDone_) unlink(request_.keptAs.c_str());
}

bool Quarantine::isAsBefore() const {
    syscalls::FileStatus now;
    if (syscalls::statxDescriptor(fd_.get(), &now) != 0) return false;
    return now.size == status_.size && now.changed.seconds == status_.changed.seconds &&
           now.changed.nanoseconds == status_.changed.nanoseconds;
}

int Quarantine::begin(const char** failedCall) {
    hasBegun_ = true;
    *failedCall = "malloc";
    bytes_ = alignedBytes(kChunk);
    if (bytes_ == nullptr) return -ENOMEM;
    *failedCall = "open";
    if (const int error = openAt(request_.path.c_str(), O_RDONLY | O_NOFOLLOW, &fd_); error != 0) return error;
    *failedCall = "statx";
    if (const int error = syscalls::statxDescriptor(fd_.get(), &status_); error != 0) return error;
    *failedCall = "open";
    if (!S_ISREG(status_.mode)) return -EINVAL;
    // If the file had other names, they would stay with the bad file.
    *failedCall = "rename";
    if (status_.links > 1) return -EMLINK;
    *failedCall = "open";
    if (!request_.backup.empty()) {
        if (const int error = openAt(request_.backup.c_str(), O_RDONLY, &backup_); error != 0) return error;
    }
    // Only data are copied, so that holes stay holes.
    std::vector<syscalls::Extent> extents;
    *failedCall = "ioctl";
    if (const int error = syscalls::readAllExtents(fd_.get(), 0, UINT64_MAX, &extents); error != 0) return error;
    double total = 0;
    for (const syscalls::Extent& extent : extents) {
        if ((extent.flags & FIEMAP_EXTENT_UNWRITTEN) != 0) continue;
        const Range range{extent.logical, std::min(extent.logical + extent.length, status_.size)};
        if (range.from < range.to) data_.push_back(range);
    }
    data_ = normalized(std::move(data_));
    for (const Range& range : data_) total += static_cast<double>(range.to - range.from);
    control->total = total;
    if (!data_.empty()) at_ = data_.front().from;
    *failedCall = "open";
    const int error = openAt(request_.keptAs.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, &copy_, 0600);
    if (error != 0) return error;
    isMade_ = true;
    if (const int failed = copyProperties(failedCall); failed != 0) return failed;
    return allocate(failedCall);
}

int Quarantine::copyProperties(const char** failedCall) {
    const int to = copy_.get();
    // This comes before the data, because on DAX a file with data does not change its state.
    syscalls::Fsxattr attributes;
    if (syscalls::getFsxattr(fd_.get(), &attributes) == 0) {
        const uint32_t flag = attributes.flags & FS_XFLAG_DAX;
        syscalls::changeFsxattrFlags(to, flag, FS_XFLAG_DAX & ~flag, nullptr, nullptr);
    }
    *failedCall = "fchown";
    if (fchown(to, status_.uid, status_.gid) != 0) return -errno;
    *failedCall = "fchmod";
    if (fchmod(to, status_.mode & 07777) != 0) return -errno;
    // Copies access lists, labels and what users have put there.
    *failedCall = "fsetxattr";
    char names[4096];
    const ssize_t length = flistxattr(fd_.get(), names, sizeof names);
    for (ssize_t at = 0; at < length; at += static_cast<ssize_t>(std::strlen(names + at)) + 1) {
        std::vector<char> value(64 * kKiB);
        const ssize_t size = fgetxattr(fd_.get(), names + at, value.data(), value.size());
        if (size >= 0 && fsetxattr(to, names + at, value.data(), static_cast<size_t>(size), 0) != 0) return -errno;
    }
    return 0;
}

// Gives the copy its blocks, and checks that they are good before a byte is written to them.
int Quarantine::allocate(const char** failedCall) {
    const int to = copy_.get();
    *failedCall = "fallocate";
    for (const Range& range : data_) {
        const uint64_t from = range.from / request_.unit * request_.unit;
        if (const int error = syscalls::allocate(to, from, range.to - from, true); error != 0) return error;
    }
    std::vector<syscalls::Extent> extents;
    *failedCall = "ioctl";
    if (const int error = syscalls::readAllExtents(to, 0, UINT64_MAX, &extents); error != 0) return error;
    const auto device = BadBlocks::ofBlockDevice(status_.deviceMajor, status_.deviceMinor, request_.sys);
    *failedCall = "fallocate";
    return inFile(device.read(), extents, request_.unit).empty() ? 0 : -EREMOTEIO;
}

int Quarantine::copyUnit(uint64_t from, uint64_t length, const char** failedCall) {
    PageResult result{from, length, PageOutcome::kRewritten, 0, true, 0, ""};
    int64_t got = readAt(fd_.get(), bytes_.get(), length, from);
    const bool isBad = got == -EIO;
    *failedCall = "read";
    if (got < 0 && !isBad) return static_cast<int>(got);
    if (isBad && backup_.isOpen()) {
        got = readAt(backup_.get(), bytes_.get(), length, from);
        if (got != static_cast<int64_t>(length)) return got < 0 ? static_cast<int>(got) : -ENODATA;
    } else if (isBad) {
        if (!request_.zeros) return -EIO;
        std::memset(bytes_.get(), 0, length);
        result.lost = length;
    }
    *failedCall = "pwrite";
    if (const int error = writeOnce(copy_.get(), bytes_.get(), length, from); error != 0) return error;
    if (!isBad) return 0;
    if (!results.empty() && results.back().from + results.back().length == from) {
        results.back().length += length;
        results.back().lost += result.lost;
    } else {
        results.push_back(result);
    }
    return 0;
}

int Quarantine::copy(uint64_t from, uint64_t length, const char** failedCall) {
    *failedCall = "read";
    const int64_t got = readAt(fd_.get(), bytes_.get(), length, from);
    if (got == static_cast<int64_t>(length)) {
        *failedCall = "pwrite";
        return writeOnce(copy_.get(), bytes_.get(), length, from);
    }
    if (got >= 0) return -ESTALE;
    if (got != -EIO) return static_cast<int>(got);
    for (uint64_t at = from; at < from + length;) {
        const uint64_t end = std::min(at / request_.unit * request_.unit + request_.unit, from + length);
        if (const int error = copyUnit(at, end - at, failedCall); error != 0) return error;
        at = end;
    }
    return 0;
}

int Quarantine::finish(const char** failedCall) {
    const int to = copy_.get();
    *failedCall = "ftruncate";
    if (const int error = syscalls::truncate(to, status_.size); error != 0) return error;
    struct timespec times[2] = {
        {static_cast<time_t>(status_.accessed.seconds), static_cast<long>(status_.accessed.nanoseconds)},
        {static_cast<time_t>(status_.modified.seconds), static_cast<long>(status_.modified.nanoseconds)}};
    futimens(to, times);
    *failedCall = "fsync";
    if (fsync(to) != 0) return -errno;
    *failedCall = "rename";
    if (!isAsBefore()) return -ESTALE;
    // The exchange leaves no moment at which no file has the name.
    if (syscall(SYS_renameat2, AT_FDCWD, request_.path.c_str(), AT_FDCWD, request_.keptAs.c_str(), RENAME_EXCHANGE) !=
        0)
        return -errno;
    isDone_ = true;
    Descriptor directory;
    if (openAt(parentOf(request_.path).c_str(), O_RDONLY | O_DIRECTORY, &directory) == 0) fsync(directory.get());
    return 0;
}

int Quarantine::step(const char** failedCall) {
    if (!hasBegun_) {
        if (const int error = begin(failedCall); error != 0) return error;
        return kMore;
    }
    if (part_ == data_.size()) return finish(failedCall);
    if (at_ < data_[part_].to) {
        const uint64_t length = std::min(kChunk - at_ % kChunk, data_[part_].to - at_);
        if (const int error = copy(at_, length, failedCall); error != 0) return error;
        at_ += length;
        control->done.store(control->done.load(std::memory_order_relaxed) + static_cast<double>(length),
                            std::memory_order_relaxed);
    } else if (++part_ < data_.size()) {
        at_ = data_[part_].from;
    }
    return kMore;
}

}  // namespace daxkind::media
