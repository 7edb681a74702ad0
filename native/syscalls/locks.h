// Locks of parts of files, which belong to the open file: between processes and within one.
#pragma once

#include <cstdint>

namespace daxkind::syscalls {

/// fcntl(F_OFD_SETLK): takes the bytes for this descriptor alone, for as long as it is open. -EAGAIN if another one has
/// some of them. Works on device nodes too, by the inode of the node. The failed call is fcntl.
int lockRange(int fd, uint64_t offset, uint64_t length);

/// flock(LOCK_EX), waiting for whoever has it; unlock() gives it back. The failed call is flock.
int lock(int fd);
void unlock(int fd);

}  // namespace daxkind::syscalls
