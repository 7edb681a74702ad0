// Locks of parts of files, which belong to the open file: between processes and within one.
#pragma once

#include <cstdint>

namespace daxkind::syscalls {

// fcntl(F_OFD_SETLK): takes the bytes for this descriptor alone, for as long as it is open. -EAGAIN if another one has
// some of them. Works on device nodes too, by the inode of the node. The failed call is fcntl.
int lockRange(int fd, uint64_t offset, uint64_t length);

// The same of no more: a process that was forked and has the descriptor keeps none.
void unlockRange(int fd, uint64_t offset, uint64_t length);

// flock(LOCK_EX | LOCK_NB): -EWOULDBLOCK if somebody has it. unlock() gives it back, if it is ours. The failed call is
// flock.
int tryLock(int fd);
void unlock(int fd);

}  // namespace daxkind::syscalls
