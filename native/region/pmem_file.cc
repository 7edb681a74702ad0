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

// How long no fallocate is tried after one that has waited in vain for pinned pages.
constexpr std::chrono::milliseconds kPinned(500);

// Blocks for a range of a file system without fallocate (ext2), or with one that waits: written zeros. The range holds
// nothing.
int writeZeros(int fd, uint64_t offset, uint64_t length) {
    // Not const: nobody writes it, and as it is it takes neither room in the file of the addon nor memory.
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

    // What is not on DAX is read and written by the kernel.
    if (dax_.value_or(false)) badBlocks_ = media::BadBlocks::ofBlockDevice(status_.deviceMajor, status_.deviceMinor);

    syscalls::FileSystemStatus fileSystem;
    uint64_t capacity = options.capacity;
    if (capacity == 0) {
        *failedCall = "fstatfs";
        error = syscalls::statfsDescriptor(fd_, &fileSystem);
        if (error != 0) return error;
        room_ = fileSystem.blocks * fileSystem.blockSize;
    }
    // XFS tells the quota of a project only for directories.
    if (syscalls::statfsPath(options.directory, &fileSystem) == 0) room_ = fileSystem.blocks * fileSystem.blockSize;
    if (capacity == 0) {
        capacity = room_ / kHugePageSize * kHugePageSize;
        if (capacity == 0) return -ENOSPC;
    }

    // A file system that writes to new blocks each time (btrfs) needs room for each store, whatever is reserved. Only
    // an empty file can be told not to; the others know no such flag.
    uint32_t flags = 0;
    if (syscalls::getInodeFlags(fd_, &flags) == 0) syscalls::setInodeFlags(fd_, flags | FS_NOCOW_FL);

    // The file is as long as the mapping from the start: a stray read of a part that is not committed (a clone of a
    // whole ArrayBuffer, say) finds a hole, not the end of the file and SIGBUS.
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
        // A file system can be larger than its largest file (ext4: 16 TiB) or than the address space that is free.
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
    // Read ahead, the page cache would hold the file in folios of up to 2 MiB, and a store into one needs blocks for
    // all of it (Linux 6.18 without DAX): a hole beside what is committed would be SIGBUS on a full file system. Pages
    // that are faulted in at random are single ones.
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
    // A failed fallocate may have taken part of the range (ext4); that part would be lost until close.
    // Somebody may have touched it before, where a file system was full.
    if (error == 0) error = mapAgain(offset, length);
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
