// FS_IOC_FSGETXATTR and FS_IOC_FSSETXATTR: a file's extended flags, with FS_XFLAG_DAX among them, and the values that
// the same calls carry.
#pragma once

#include <cstdint>

namespace daxkind::syscalls {

// The kernel's struct fsxattr.
struct Fsxattr {
    // FS_XFLAG_ bits.
    uint32_t flags;
    // Preferred extent size in bytes, where FS_XFLAG_EXTSIZE is set.
    uint32_t extentSize;
    // How many extents are in use. Only the kernel says this; it is ignored when set.
    uint32_t extents;
    uint32_t projectId;
    // Preferred extent size of copied blocks in bytes, where FS_XFLAG_COWEXTSIZE is set.
    uint32_t copyExtentSize;
};

// Opens a file or directory to ask for its flags or set them: read-only, and it never blocks. A symbolic link at the
// end is followed or refused (-ELOOP). Everything except a file or directory gives -ENOTTY and is not opened, because
// opening a device can do things (arm a watchdog, rewind a tape). On failure `*failedCall` is "open" or "ioctl".
int openForFsxattr(const char* path, bool followsLink, int* fd, const char** failedCall);

// FS_IOC_FSGETXATTR. The failed call is ioctl: -ENOTTY or -EOPNOTSUPP where the file system has no such flags.
int getFsxattr(int fd, Fsxattr* out);

// Sets and clears flags: reads them, changes those bits, and writes them back without the ones that only the kernel may
// set (FS_XFLAG_HASATTR, which some kernels report and then refuse). Bits in both masks are cleared. If nothing has to
// change, nothing is written. The caller must own the file. The failed call is ioctl. `after` gets what was written,
// and `changed` gets whether anything was. Each may be null.
int changeFsxattrFlags(int fd, uint32_t set, uint32_t clear, Fsxattr* after, bool* changed);

}  // namespace daxkind::syscalls
