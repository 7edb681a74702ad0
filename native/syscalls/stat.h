// stat: the call that remains where statx is refused, as by the seccomp profile of an old container runtime.
#pragma once

#include "syscalls/statx.h"

namespace daxkind::syscalls {

// fstatat with the kernel's AT_ flags. It fills in all of FileStatus that stat has; the rest is 0, and so is `mask`.
// Returns 0 or a negative errno.
int statPath(int directoryFd, const char* path, int flags, FileStatus* out);

}  // namespace daxkind::syscalls
