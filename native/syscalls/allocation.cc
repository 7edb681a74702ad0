// A file's blocks: see allocation.h.
#include "syscalls/allocation.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>
#include <cerrno>
#include <limits>

#include "syscalls/kernel.h"

namespace daxkind::syscalls {

namespace {

constexpr std::uint64_t largestOffset = std::numeric_limits<off_t>::max();

int fallocateRange(int fd, int mode, std::uint64_t offset, std::uint64_t length) {
    if (offset > largestOffset || length > largestOffset - offset) return -EFBIG;
    // tmpfs gives up and undoes everything when a signal is pending: with a profiler's signal each millisecond a long
    // call would never end, however often it starts again.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int result;
    do result = fallocate(fd, mode, static_cast<off_t>(offset), static_cast<off_t>(length)) == 0 ? 0 : -errno;
    while (result == -EINTR);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return result;
}

}  // namespace

int allocate(int fd, std::uint64_t offset, std::uint64_t length, bool keepSize) {
    return fallocateRange(fd, keepSize ? FALLOC_FL_KEEP_SIZE : 0, offset, length);
}

int punchHole(int fd, std::uint64_t offset, std::uint64_t length) {
    return fallocateRange(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
}

int truncate(int fd, std::uint64_t size) {
    if (size > largestOffset) return -EFBIG;
    int result;
    do result = ftruncate(fd, static_cast<off_t>(size)) == 0 ? 0 : -errno;
    while (result == -EINTR);
    return result;
}

}  // namespace daxkind::syscalls
