// FS_IOC_GETFLAGS, FS_IOC_SETFLAGS: a file's older flags, the ones of lsattr(1). Some flags that exclude DAX can be
// seen only here: data inside the inode, a journal for data.
#pragma once

#include <cstdint>

namespace daxkind::syscalls {

// The FS_..._FL bits of an open file or directory. Returns 0, or a negative errno of ioctl: -ENOTTY or -EOPNOTSUPP
// where the file system has no such flags.
int getInodeFlags(int fd, uint32_t* out);

// Sets all flags at once. Returns 0, or a negative errno of ioctl: -EOPNOTSUPP where the file system lacks one of them.
int setInodeFlags(int fd, uint32_t flags);

}  // namespace daxkind::syscalls
