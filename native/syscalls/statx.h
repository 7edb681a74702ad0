// statx: what the kernel says of a file, with the DAX attribute, and with the mask that tells "off" from "unknown".
#pragma once

#include <cstdint>
#include <optional>

namespace daxkind::syscalls {

struct Timestamp {
    int64_t seconds;
    uint32_t nanoseconds;
};

// The kernel's struct statx as plain values. Each device number has its two halves.
struct FileStatus {
    // Which of the fields below are filled in (STATX_ bits).
    uint32_t mask;
    // STATX_ATTR_ bits, and the bits that this file system reports at all.
    uint64_t attributes;
    uint64_t attributesMask;
    uint32_t blockSize;
    uint32_t links;
    uint32_t uid;
    uint32_t gid;
    uint32_t mode;
    uint64_t inode;
    uint64_t size;
    // In units of 512 bytes, whatever the block size is.
    uint64_t blocks;
    Timestamp accessed;
    Timestamp created;
    Timestamp changed;
    Timestamp modified;
    uint32_t deviceMajor;
    uint32_t deviceMinor;
    // The device that the file stands for, if it is a device node.
    uint32_t representsMajor;
    uint32_t representsMinor;
    // The mount's number, the first field of mountinfo. 0 before kernel 5.8 (see STATX_MNT_ID in `mask`).
    uint64_t mountId;
    // Alignments for direct I/O. 0 if they are not reported (see STATX_DIOALIGN in `mask`).
    uint32_t directIoMemoryAlignment;
    uint32_t directIoOffsetAlignment;

    // 0, or the negative errno with which the kernel refused statx itself. All other fields are what stat says then.
    int refusal;

    // Whether the file is in the DAX state now (STATX_ATTR_DAX). Nothing where the kernel does not report it. A
    // directory never is.
    std::optional<bool> dax() const;
};

// statx with the kernel's AT_ flags and STATX_ request mask. Where the call itself is refused, it is stat. Returns 0 or
// a negative errno.
int statxPath(int directoryFd, const char* path, int flags, uint32_t mask, FileStatus* out);

// statx of an open file: all basic fields, birth time, mount number and direct I/O alignment.
int statxDescriptor(int fd, FileStatus* out);

// The `mask` of all that FileStatus holds.
uint32_t statxEverything();

}  // namespace daxkind::syscalls
