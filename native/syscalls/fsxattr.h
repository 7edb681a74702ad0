// FS_IOC_FSGETXATTR and FS_IOC_FSSETXATTR: a file's extended flags, FS_XFLAG_DAX among them, and what travels with
// them.
#pragma once

#include <cstdint>

namespace daxkind::syscalls {

// The kernel's struct fsxattr.
struct Fsxattr {
    // FS_XFLAG_ bits.
    uint32_t flags;
    // Preferred extent size in bytes, where FS_XFLAG_EXTSIZE is set.
    uint32_t extentSize;
    // Extents in use; the kernel's to say, ignored when set.
    uint32_t extents;
    uint32_t projectId;
    // Preferred extent size of copied blocks in bytes, where FS_XFLAG_COWEXTSIZE is set.
    uint32_t copyExtentSize;
};

// Opens a file or directory to ask for or set its flags: read-only, never blocking. A symbolic link at the end is
// followed or refused (-ELOOP). Anything but a file or directory gives -ENOTTY without being opened, for opening a
// device can do things (arm a watchdog, rewind a tape). On failure `*failedCall` is "open" or "ioctl".
int openForFsxattr(const char* path, bool followsLink, int* fd, const char** failedCall);

// FS_IOC_FSGETXATTR. The failed call is ioctl: -ENOTTY or -EOPNOTSUPP where the file system has no such flags.
int getFsxattr(int fd, Fsxattr* out);

// Sets and clears flags by reading them, changing those bits, and writing all back but the ones only the kernel may
// set (FS_XFLAG_HASATTR, which some kernels report and then refuse). Bits in both masks are cleared. No call is made
// to write what is so already. The caller must own the file. The failed call is ioctl. `after` gets what
// was written, `changed` whether anything was; each may be null.
int changeFsxattrFlags(int fd, uint32_t set, uint32_t clear, Fsxattr* after, bool* changed);

}  // namespace daxkind::syscalls
