#include "region/pmem_file.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "region/caches.h"
#include "region/loss_cause.h"
#include "syscalls/allocation.h"
#include "syscalls/inode_flags.h"
#include "syscalls/kernel.h"
#include "syscalls/mapping.h"
#include "syscalls/sizes.h"
#include "syscalls/statfs.h"
#include "syscalls/temporary.h"

namespace daxkind {

namespace {

// How long no fallocate is tried after one has waited in vain for pinned pages.
constexpr std::chrono::milliseconds kPinned(500);

// Gets blocks for a range by writing zeros, where the file system has no fallocate (ext2), or where fallocate waits for
// a pinned page. Nothing in the range is in use.
int writeZeros(int fd, uint64_t offset, uint64_t length) {
    // Nobody writes to it. It is not const all the same, because a const array would take room in the addon's file.
    static char zeros[1024 * 1024];
    while (length > 0) {
        const size_t part = static_cast<size_t>(std::min<uint64_t>(length, sizeof zeros));
        const ssize_t wrote = pwrite(fd, zeros, part, static_cast<off_t>(offset));
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0) return -errno;
        offset += static_cast<uint64_t>(wrote);
        length -= static_cast<uint64_t>(wrote);
    }
    return 0;
}

}  // namespace

PmemFileRegion::~PmemFileRegion() {
    retire();
}

int PmemFileRegion::open(const PmemFileOptions& options, const char** failedCall) {
    int error = syscalls::openTemporary(options.directory, true, &fd_, failedCall);
    if (error != 0) return error;
    error = map(options, failedCall);
    if (error != 0) {
        close(fd_);
        fd_ = -1;
    }
    return error;
}

int PmemFileRegion::map(const PmemFileOptions& options, const char** failedCall) {
    *failedCall = "statx";
    int error = syscalls::statxDescriptor(fd_, &status_);
    if (error != 0) return error;
    dax_ = status_.dax();
    if (!dax_ && syscalls::tryMapSync(fd_) == 0) dax_ = true;

    *failedCall = "mmap";
    if (kCachesMayAlias && dax_.value_or(false)) return -ENOTSUP;

    // Only on DAX can an access meet a bad block. Otherwise the kernel reads and writes the medium.
    if (dax_.value_or(false)) badBlocks_ = media::BadBlocks::ofBlockDevice(status_.deviceMajor, status_.deviceMinor);

    syscalls::FileSystemStatus fileSystem;
    uint64_t capacity = options.capacity;
    if (capacity == 0) {
        *failedCall = "fstatfs";
        error = syscalls::statfsDescriptor(fd_, &fileSystem);
        if (error != 0) return error;
        room_ = fileSystem.blocks * fileSystem.blockSize;
    }
    // XFS reports the quota of a project only for directories.
    if (syscalls::statfsPath(options.directory, &fileSystem) == 0) room_ = fileSystem.blocks * fileSystem.blockSize;
    if (capacity == 0) {
        capacity = room_ / kHugePageSize * kHugePageSize;
        if (capacity == 0) return -ENOSPC;
    }

    // A file system that writes to new blocks each time (btrfs) needs room for each store, whatever is reserved. This
    // flag turns that off, but only for an empty file. Other file systems do not know the flag.
    uint32_t flags = 0;
    if (syscalls::getInodeFlags(fd_, &flags) == 0) syscalls::setInodeFlags(fd_, flags | FS_NOCOW_FL);

    // The file is as long as the mapping from the start. So a stray read of a part that is not committed (for example
    // by a clone of a whole ArrayBuffer) finds a hole, and not the end of the file and SIGBUS.
    void* at = nullptr;
    for (;;) {
        *failedCall = "ftruncate";
        error = syscalls::truncate(fd_, capacity);
        if (error == 0) {
            *failedCall = "mmap";
            mapOptions_.sync = options.sync;
            mapOptions_.hint = AddressRange::hintFor(capacity);
            error = syscalls::mapFileAligned(fd_, 0, capacity, mapOptions_, kHugePageSize, &at);
        }
        // A file system can be larger than its largest file (ext4: 16 TiB), or larger than the free address space.
        const bool tooLong = error == -EFBIG || error == -ENOMEM || error == -EOVERFLOW;
        if (options.capacity != 0 || !tooLong || capacity <= kHugePageSize) break;
        capacity = capacity / 2 / kHugePageSize * kHugePageSize;
    }
    if (error != 0) return error;

    *failedCall = "madvise";
    error = adviseMapping(at, capacity);
    if (error == 0) {
        error = range_.take(at, capacity, syscalls::mappingGranule(fd_), failedCall);
    }
    if (error != 0) syscalls::unmap(at, capacity);
    return error;
}

int PmemFileRegion::adviseMapping(void* at, uint64_t length) {
    const int error = syscalls::adviseDontFork(at, length);
    // With read-ahead the page cache would hold the file in folios of up to 2 MiB, and a store into a folio needs
    // blocks for all of it (Linux 6.18 without DAX). On a full file system, a hole beside committed memory would then
    // be SIGBUS. With MADV_RANDOM pages are faulted in one by one.
    return error != 0 ? error : syscalls::advise(at, length, MADV_RANDOM);
}

int PmemFileRegion::mapAgain(uint64_t offset, uint64_t length) {
    return range_.watch().restore(offset, length, [this](char* at, uint64_t from, uint64_t bytes) {
        const int error = syscalls::mapFileOver(fd_, from, bytes, mapOptions_, at);
        return error != 0 ? error : adviseMapping(at, bytes);
    });
}

void PmemFileRegion::retire() {
    if (fd_ < 0) return;
    range_.letGo(committedEnd_);
    close(fd_);
    fd_ = -1;
}

int PmemFileRegion::populate(uint64_t offset, uint64_t length) {
    return syscalls::populateWrite(base() + offset, length);
}

int PmemFileRegion::commit(uint64_t offset, uint64_t length) {
    int error = reserve(offset, length);
    if (error == -EOPNOTSUPP) error = writeZeros(fd_, offset, length);
    uint64_t end = committedEnd_;
    while (end < offset + length && !committedEnd_.compare_exchange_weak(end, offset + length)) continue;
    // Somebody may have touched the range while the file system was full. The guard has put zeros in place of such
    // pages.
    if (error == 0) error = mapAgain(offset, length);
    // A failed fallocate may have taken a part of the range (ext4). Without this, nobody could use that part before
    // close.
    if (error != 0) decommit(offset, length);
    return error;
}

int PmemFileRegion::reserve(uint64_t offset, uint64_t length) {
    if (!dax_.value_or(false)) return syscalls::allocate(fd_, offset, length, true);
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    if (now < std::chrono::steady_clock::duration(pinnedUntil_)) return -EOPNOTSUPP;
    const int error = syscalls::allocateOnDax(fd_, offset, length);
    if (error != -EBUSY) return error;
    pinnedUntil_ = (now + kPinned).count();
    return -EOPNOTSUPP;
}

int PmemFileRegion::decommit(uint64_t offset, uint64_t length) {
    return dax_.value_or(false) ? syscalls::punchHoleOnDax(fd_, offset, length)
                                : syscalls::punchHole(fd_, offset, length);
}

std::vector<guard::Part> PmemFileRegion::knownBad(uint64_t offset, uint64_t length) {
    return media::badInFile(fd_, offset, length, badBlocks_);
}

LossCause PmemFileRegion::lossCause(const guard::Part& part) const {
    return lossCauseInFile(fd_, part);
}

int64_t PmemFileRegion::resident() const {
    syscalls::FileStatus now;
    const int error = syscalls::statxDescriptor(fd_, &now);
    return error != 0 ? error : static_cast<int64_t>(now.blocks) * 512;
}

}  // namespace daxkind
