// A file's blocks: see allocation.h.
#include "syscalls/allocation.h"

#include <fcntl.h>
#include <linux/fiemap.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <vector>

#include "syscalls/blocked_signals.h"
#include "syscalls/fiemap.h"
#include "syscalls/interrupter.h"
#include "syscalls/kernel.h"
#include "syscalls/mapping.h"

namespace daxkind::syscalls {

namespace {

constexpr uint64_t kLargestOffset = std::numeric_limits<off_t>::max();

// How long a call waits for pinned pages before it lets go of the file and tries again. Each wait is longer than the
// last, because a call that is interrupted before it makes any progress would never end.
constexpr uint32_t kFirstLookMs = 20;
constexpr uint32_t kLongestLookMs = 80;

// With `tries` 0 it tries until the call ends.
int fallocateWhilePinned(int fd, int mode, off_t offset, off_t length, int tries) {
    sigset_t others;
    sigfillset(&others);
    Interrupter::exempt(&others);
    const BlockedSignals blocked(others);
    int result = -EINTR;
    uint32_t lookMs = kFirstLookMs;
    for (int tried = 0; result == -EINTR && (tries == 0 || tried < tries); tried += 1) {
        {
            const Interrupter interrupter(lookMs);
            result = fallocate(fd, mode, offset, length) == 0 ? 0 : -errno;
        }
        // Another thread that waits for the file's lock gets it only if no running thread wants it, too. So this thread
        // sleeps.
        if (result == -EINTR && tries == 0) usleep(1000 * lookMs);
        lookMs = std::min(2 * lookMs, kLongestLookMs);
    }
    return result == -EINTR ? -EBUSY : result;
}

int fallocateRange(int fd, int mode, uint64_t offset, uint64_t length) {
    if (offset > kLargestOffset || length > kLargestOffset - offset) return -EFBIG;
    // tmpfs gives up and undoes everything when a signal is pending. With a profiler's signal each millisecond, a long
    // call would never end, however often it starts again.
    const BlockedSignals blocked;
    int result;
    do result = fallocate(fd, mode, static_cast<off_t>(offset), static_cast<off_t>(length)) == 0 ? 0 : -errno;
    while (result == -EINTR);
    return result;
}

// Punches holes into the parts of [from, to) that no extent of `before` covers.
void punchBetween(int fd, uint64_t from, uint64_t to, const std::vector<Extent>& before) {
    for (const Extent& old : before) {
        if (old.logical >= to) break;
        if (old.logical > from) punchHole(fd, from, old.logical - from);
        from = std::max(from, old.logical + old.length);
    }
    if (from < to) punchHole(fd, from, to - from);
}

}  // namespace

int allocate(int fd, uint64_t offset, uint64_t length, bool keepSize) {
    return fallocateRange(fd, keepSize ? FALLOC_FL_KEEP_SIZE : 0, offset, length);
}

int allocateOrNothing(int fd, uint64_t offset, uint64_t length) {
    std::vector<Extent> before;
    const bool isKnown = readAllExtents(fd, 0, UINT64_MAX, &before) == 0;
    const int error = allocate(fd, offset, length, true);
    if (error == 0 || error == -EOPNOTSUPP || error == -EBADF || !isKnown) return error;
    // What somebody has written into the range meanwhile must stay. Once it is written back, its extents differ from
    // those that are only allocated.
    fdatasync(fd);
    std::vector<Extent> now;
    if (readAllExtents(fd, 0, UINT64_MAX, &now) != 0) return error;
    // The last block can reach beyond the file's end.
    const uint64_t end = (offset + length + pageSize() - 1) / pageSize() * pageSize();
    for (const Extent& extent : now) {
        if ((extent.flags & FIEMAP_EXTENT_UNWRITTEN) == 0) continue;
        const uint64_t from = std::max(extent.logical, offset);
        const uint64_t to = std::min(extent.logical + extent.length, end);
        if (from < to) punchBetween(fd, from, to, before);
    }
    return error;
}

int punchHole(int fd, uint64_t offset, uint64_t length) {
    return fallocateRange(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
}

int allocateOnDax(int fd, uint64_t offset, uint64_t length) {
    if (offset > kLargestOffset || length > kLargestOffset - offset) return -EFBIG;
    return fallocateWhilePinned(fd, FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset), static_cast<off_t>(length), 2);
}

int punchHoleOnDax(int fd, uint64_t offset, uint64_t length) {
    if (offset > kLargestOffset || length > kLargestOffset - offset) return -EFBIG;
    constexpr int kMode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    return fallocateWhilePinned(fd, kMode, static_cast<off_t>(offset), static_cast<off_t>(length), 0);
}

int truncate(int fd, uint64_t size) {
    if (size > kLargestOffset) return -EFBIG;
    int result;
    do result = ftruncate(fd, static_cast<off_t>(size)) == 0 ? 0 : -errno;
    while (result == -EINTR);
    return result;
}

}  // namespace daxkind::syscalls
