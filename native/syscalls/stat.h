// stat: what is left to ask where statx is refused, as by the seccomp profile of an old container runtime.
#pragma once

#include "syscalls/statx.h"

namespace daxkind::syscalls {

// fstatat with the kernel's AT_ flags: all of FileStatus that stat has, and 0 for the rest, `mask` too. Returns 0 or a
// negative errno.
int statPath(int directoryFd, const char* path, int flags, FileStatus* out);

}  // namespace daxkind::syscalls
