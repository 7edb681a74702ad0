// statx: what the kernel says of a file, with the DAX attribute and the mask that tells "off" from "unknown".
#pragma once

#include <cstdint>
#include <optional>

namespace daxkind::syscalls {

struct Timestamp {
    std::int64_t seconds;
    std::uint32_t nanoseconds;
};

/// The kernel's struct statx as plain values, device numbers in their two halves.
struct FileStatus {
    /// Which of the fields below were filled in (STATX_ bits).
    std::uint32_t mask;
    /// STATX_ATTR_ bits, and which of them this file system reports at all.
    std::uint64_t attributes;
    std::uint64_t attributesMask;
    std::uint32_t blockSize;
    std::uint32_t links;
    std::uint32_t uid;
    std::uint32_t gid;
    std::uint32_t mode;
    std::uint64_t inode;
    std::uint64_t size;
    /// In units of 512 bytes, whatever the block size.
    std::uint64_t blocks;
    Timestamp accessed;
    Timestamp created;
    Timestamp changed;
    Timestamp modified;
    std::uint32_t deviceMajor;
    std::uint32_t deviceMinor;
    /// The device that the file stands for, if it is a device node.
    std::uint32_t representsMajor;
    std::uint32_t representsMinor;
    /// The mount's number, the first field of mountinfo; 0 before kernel 5.8 (see STATX_MNT_ID in `mask`).
    std::uint64_t mountId;
    /// Alignments for direct I/O; 0 where not reported (see STATX_DIOALIGN in `mask`).
    std::uint32_t directIoMemoryAlignment;
    std::uint32_t directIoOffsetAlignment;

    /// 0, or the negative errno with which statx itself was refused: then all this is what stat says.
    int refusal;

    /// Whether the file is in the DAX state now (STATX_ATTR_DAX); nothing where the kernel does not report it.
    /// Directories never are.
    std::optional<bool> dax() const;
};

/// statx with the kernel's AT_ flags and STATX_ request mask, and stat where the call itself is refused. Returns 0 or a
/// negative errno.
int statxPath(int directoryFd, const char* path, int flags, std::uint32_t mask, FileStatus* out);

/// statx of an open file, all basic fields, birth time, mount number and direct I/O alignment.
int statxDescriptor(int fd, FileStatus* out);

/// All that FileStatus holds, for `mask`.
std::uint32_t statxEverything();

}  // namespace daxkind::syscalls
