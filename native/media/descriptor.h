// Opens files without waiting, allocates memory for direct I/O, and reads whole ranges.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "syscalls/descriptor.h"

namespace daxkind::media {

using syscalls::Descriptor;

// Opens a file. It never blocks on a FIFO that has taken the file's place. -errno if it fails.
inline int openAt(const char* path, int flags, Descriptor* opened, mode_t mode = 0) {
    int fd;
    do fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, mode);
    while (fd < 0 && errno == EINTR);
    if (fd < 0) return -errno;
    *opened = Descriptor(fd);
    return 0;
}

using AlignedBytes = std::unique_ptr<unsigned char, decltype(&std::free)>;

// Null if there is no memory. `alignment` is a power of two.
inline AlignedBytes alignedBytes(size_t size, size_t alignment = 4096) {
    void* memory = nullptr;
    if (posix_memalign(&memory, alignment, size) != 0) memory = nullptr;
    return AlignedBytes(static_cast<unsigned char*>(memory), &std::free);
}

// The number of bytes read, or -errno. It is less than `length` only at the file's end.
inline int64_t readAt(int fd, void* to, uint64_t length, uint64_t offset) {
    uint64_t done = 0;
    while (done < length) {
        const ssize_t got =
            pread(fd, static_cast<unsigned char*>(to) + done, length - done, static_cast<off_t>(offset + done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return -errno;
        if (got == 0) break;
        done += static_cast<uint64_t>(got);
    }
    return static_cast<int64_t>(done);
}

// One pwrite, because only a whole write clears a bad block. -EFAULT if it wrote only a part.
inline int writeOnce(int fd, const void* from, uint64_t length, uint64_t offset) {
    ssize_t written;
    do written = pwrite(fd, from, length, static_cast<off_t>(offset));
    while (written < 0 && errno == EINTR);
    if (written < 0) return -errno;
    return static_cast<uint64_t>(written) == length ? 0 : -EFAULT;
}

}  // namespace daxkind::media
