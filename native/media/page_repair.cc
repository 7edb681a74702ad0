#include "media/page_repair.h"

#include <linux/fiemap.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

#include "syscalls/allocation.h"
#include "syscalls/fiemap.h"
#include "syscalls/statx.h"

namespace daxkind::media {

namespace {

constexpr uint64_t kSector = 512;
constexpr uint64_t kNowhere = UINT64_MAX;
constexpr std::chrono::milliseconds kStep{4};

// True if a write failed because the medium does not take it: EFAULT of DAX, EIO of the block layer.
bool isOfMedium(int error) {
    return error == -EFAULT || error == -EIO;
}

}  // namespace

const char* nameOf(PageOutcome outcome) {
    switch (outcome) {
        case PageOutcome::kHealthy:
            return "healthy";
        case PageOutcome::kRewritten:
            return "rewritten";
        case PageOutcome::kUnwritten:
            return "unwritten";
        case PageOutcome::kUncleared:
            return "uncleared";
        case PageOutcome::kFailed:
            return "failed";
        case PageOutcome::kBeyondEnd:
            return "beyond-end";
        case PageOutcome::kRefused:
            return "refused";
    }
    return "";
}

PageRepair::PageRepair(PageRepairRequest request)
    : request_(std::move(request)), content_(nullptr, &std::free), check_(nullptr, &std::free) {
    double total = 0;
    for (const Range& part : request_.parts) total += static_cast<double>(part.to - part.from);
    control->total = total;
    if (!request_.parts.empty()) at_ = request_.parts.front().from / request_.unit * request_.unit;
}

int PageRepair::begin(const char** failedCall) {
    hasBegun_ = true;
    content_ = alignedBytes(request_.unit);
    check_ = alignedBytes(request_.unit);
    *failedCall = "malloc";
    if (content_ == nullptr || check_ == nullptr) return -ENOMEM;
    *failedCall = "open";
    const int flags = O_RDWR | (request_.isDevice ? O_DIRECT : O_NOFOLLOW);
    if (const int error = openAt(request_.path.c_str(), flags, &fd_); error != 0) return error;
    syscalls::FileStatus status;
    *failedCall = "statx";
    if (const int error = syscalls::statxDescriptor(fd_.get(), &status); error != 0) return error;
    *failedCall = "open";
    if (request_.isDevice ? !S_ISBLK(status.mode) : !S_ISREG(status.mode)) return -EINVAL;
    isOnDax_ = status.dax().value_or(false);
    size_ = request_.isDevice ? UINT64_MAX : status.size;
    device_ = request_.isDevice ? BadBlocks::ofBlockDevice(status.representsMajor, status.representsMinor, request_.sys)
                                : BadBlocks::ofBlockDevice(status.deviceMajor, status.deviceMinor, request_.sys);
    if (request_.backup.empty()) return 0;
    if (const int error = openAt(request_.backup.c_str(), O_RDONLY, &backup_); error != 0) return error;
    syscalls::FileStatus backup;
    *failedCall = "statx";
    if (const int error = syscalls::statxDescriptor(backup_.get(), &backup); error != 0) return error;
    const bool isSame = backup.deviceMajor == status.deviceMajor && backup.deviceMinor == status.deviceMinor &&
                        backup.inode == status.inode;
    *failedCall = "open";
    return isSame ? -EINVAL : 0;
}

// The unit's place on the device if it is bad now, or kNowhere; and the flags of its extent.
uint64_t PageRepair::placeOf(uint64_t from, uint32_t* flags) const {
    const uint64_t to = from + request_.unit;
    const std::vector<Range> bad = device_.read();
    *flags = 0;
    if (request_.isDevice) {
        const auto isHit = [&](const Range& range) { return range.from < to && from < range.to; };
        return std::any_of(bad.begin(), bad.end(), isHit) ? from : kNowhere;
    }
    std::vector<syscalls::Extent> extents;
    if (syscalls::readAllExtents(fd_.get(), from, to, &extents) != 0) return kNowhere;
    for (const Placed& placed : placedIn(bad, extents, request_.unit)) {
        if (placed.from > from || from >= placed.from + placed.length) continue;
        *flags |= placed.flags;
        return placed.device + (from - placed.from);
    }
    return kNowhere;
}

// Fills `to` with the new content of [from, from + length): from the backup, or zeros if the caller allowed that.
bool PageRepair::fill(unsigned char* to, uint64_t from, uint64_t length, PageResult* result) {
    const uint64_t needed = size_ - from < length ? size_ - from : length;
    std::memset(to, 0, length);
    if (backup_.isOpen()) {
        const int64_t got = readAt(backup_.get(), to, needed, from);
        if (got == static_cast<int64_t>(needed)) return true;
        *result = {
            result->from, result->length, PageOutcome::kFailed, 0, false, got < 0 ? static_cast<int>(got) : -ENODATA,
            "read"};
        return false;
    }
    if (!request_.zeros) {
        result->outcome = PageOutcome::kRefused;
        return false;
    }
    result->lost += needed;
    return true;
}

// Puts together what is to be written. False if nothing is to be written.
bool PageRepair::readOrFill(uint64_t from, PageResult* result) {
    unsigned char* const content = content_.get();
    if (request_.isDevice) {
        // The block layer can still read the other sectors of the page.
        bool isBad = false;
        for (uint64_t at = 0; at < request_.unit; at += kSector) {
            const int64_t got = readAt(fd_.get(), content + at, kSector, from + at);
            if (got == static_cast<int64_t>(kSector)) continue;
            if (got == -EINVAL && at == 0) {
                // The device's sectors are longer.
                const int64_t whole = readAt(fd_.get(), content, request_.unit, from);
                if (whole == static_cast<int64_t>(request_.unit)) return false;
                return fill(content, from, request_.unit, result);
            }
            if (got != -EIO) {
                *result = {from,  request_.unit, PageOutcome::kFailed,
                           0,     false,         got < 0 ? static_cast<int>(got) : -ENODATA,
                           "read"};
                return false;
            }
            isBad = true;
            if (!fill(content + at, from + at, kSector, result)) return false;
        }
        return isBad;
    }
    // The page cache, if there is one, may still have the page.
    posix_fadvise(fd_.get(), static_cast<off_t>(from), static_cast<off_t>(request_.unit), POSIX_FADV_DONTNEED);
    const int64_t got = readAt(fd_.get(), content, request_.unit, from);
    if (got >= 0) {
        // A page that nobody has written reads as zeros, whatever the state of the medium is.
        if (result->outcome != PageOutcome::kUnwritten) return false;
        std::memset(content, 0, request_.unit);
        return true;
    }
    if (got != -EIO) {
        *result = {from, request_.unit, PageOutcome::kFailed, 0, false, static_cast<int>(got), "read"};
        return false;
    }
    result->outcome = PageOutcome::kRewritten;
    return fill(content, from, request_.unit, result);
}

// Writes the unit, and reads it back.
bool PageRepair::write(uint64_t from, PageResult* result) {
    const uint64_t to = from + request_.unit;
    const int fd = fd_.get();
    int error = writeOnce(fd, content_.get(), request_.unit, from);
    const char* call = "pwrite";
    // Only a write of the whole page clears the last one, so the file is longer for a moment.
    struct stat status;
    const bool isLonger = error == 0 && to > size_ && fstat(fd, &status) == 0;
    if (isLonger && static_cast<uint64_t>(status.st_size) == to) {
        error = syscalls::truncate(fd, size_);
        call = "ftruncate";
    }
    if (error == 0 && (!isOnDax_ || request_.isDevice) && fdatasync(fd) != 0) {
        error = -errno;
        call = "fdatasync";
    }
    if (error == 0) {
        posix_fadvise(fd, static_cast<off_t>(from), static_cast<off_t>(request_.unit), POSIX_FADV_DONTNEED);
        const uint64_t length = std::min(request_.unit, size_ - from);
        const int64_t got = readAt(fd, check_.get(), length, from);
        const bool isSame =
            got == static_cast<int64_t>(length) && std::memcmp(check_.get(), content_.get(), length) == 0;
        if (!isSame) error = got < 0 ? static_cast<int>(got) : -EIO;
        call = "read";
    }
    if (error == 0) return true;
    *result = {from,  request_.unit, isOfMedium(error) ? PageOutcome::kUncleared : PageOutcome::kFailed, 0, false,
               error, call};
    return false;
}

// Gives the unit other blocks. Nobody gets a bad block by this: the old block is clean by now, or other files still
// have it.
bool PageRepair::reallocate(uint64_t from, PageResult* result) {
    const int fd = fd_.get();
    const char* call = "fallocate";
    const auto place = [&] {
        std::vector<syscalls::Extent> extents;
        syscalls::readAllExtents(fd, from, from + request_.unit, &extents);
        return extents.empty() ? kNowhere : extents.front().physical + (from - extents.front().logical);
    };
    const uint64_t before = place();
    int error = syscalls::punchHole(fd, from, request_.unit);
    if (error == 0) error = syscalls::allocate(fd, from, request_.unit, true);
    if (error != 0) {
        *result = {from, request_.unit, PageOutcome::kFailed, 0, false, error, call};
        // The content is in memory. It is written back where there is room.
        writeOnce(fd, content_.get(), std::min(request_.unit, size_ - from), from);
        return false;
    }
    if (!write(from, result)) return false;
    fdatasync(fd);
    result->isMoved = place() != before;
    return true;
}

PageResult PageRepair::repair(uint64_t from) {
    PageResult result{from, request_.unit, PageOutcome::kHealthy, 0, false, 0, ""};
    if (from >= size_) {
        result.outcome = PageOutcome::kBeyondEnd;
        return result;
    }
    uint32_t flags;
    const uint64_t place = placeOf(from, &flags);
    if (place == kNowhere) return result;
    if ((flags & FIEMAP_EXTENT_UNWRITTEN) != 0) result.outcome = PageOutcome::kUnwritten;
    const PageOutcome before = result.outcome;
    if (!readOrFill(from, &result)) {
        if (result.outcome == PageOutcome::kRefused || result.outcome == PageOutcome::kFailed) return result;
        result.outcome = PageOutcome::kHealthy;
        return result;
    }
    if (before != PageOutcome::kUnwritten) result.outcome = PageOutcome::kRewritten;
    if ((flags & FIEMAP_EXTENT_SHARED) != 0) {
        // XFS copies a shared block when somebody writes to it. It would have to read the bad block, so every write is
        // EIO here. The other files that have the block keep it out of free space. The last of them has it alone, and
        // its repair clears it.
        reallocate(from, &result);
        return result;
    }
    if (!write(from, &result)) return result;
    if (request_.reallocates && !request_.isDevice) reallocate(from, &result);
    return result;
}

void PageRepair::note(const PageResult& result) {
    PageResult* const last = results.empty() ? nullptr : &results.back();
    if (last != nullptr && last->from + last->length == result.from && last->outcome == result.outcome &&
        last->isMoved == result.isMoved && last->error == result.error) {
        last->length += result.length;
        last->lost += result.lost;
    } else {
        results.push_back(result);
    }
}

int PageRepair::step(const char** failedCall) {
    if (!hasBegun_) {
        if (const int error = begin(failedCall); error != 0) return error;
    }
    const auto until = std::chrono::steady_clock::now() + kStep;
    while (part_ < request_.parts.size()) {
        if (at_ < request_.parts[part_].to) {
            note(repair(at_));
            at_ += request_.unit;
            control->done.store(control->done.load(std::memory_order_relaxed) + static_cast<double>(request_.unit),
                                std::memory_order_relaxed);
        } else if (++part_ < request_.parts.size()) {
            at_ = std::max(at_, request_.parts[part_].from / request_.unit * request_.unit);
        }
        if (std::chrono::steady_clock::now() >= until) return kMore;
    }
    if (fd_.isOpen() && fdatasync(fd_.get()) != 0 && errno != EINVAL) {
        *failedCall = "fdatasync";
        return -errno;
    }
    return 0;
}

}  // namespace daxkind::media
