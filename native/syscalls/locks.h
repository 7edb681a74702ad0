// Locks of parts of files. They belong to the open file, so they work between processes and within one.
#pragma once

#include <cstdint>

namespace daxkind::syscalls {

// fcntl(F_OFD_SETLK): locks the bytes for this descriptor alone, for as long as it is open. -EAGAIN if another
// descriptor has locked some of them. It works on device nodes too, by the inode of the node. The failed call is fcntl.
int lockRange(int fd, uint64_t offset, uint64_t length);

// The same with a lock that others may have, too, and that needs no right to write.
int lockRangeShared(int fd, uint64_t offset, uint64_t length);

// Unlocks the bytes. A forked process that has the descriptor does not keep them locked, either.
void unlockRange(int fd, uint64_t offset, uint64_t length);

// flock(LOCK_EX | LOCK_NB): -EWOULDBLOCK if somebody else has the lock. unlock() gives the lock back, if this open file
// has it. The failed call is flock.
int tryLock(int fd);
void unlock(int fd);

}  // namespace daxkind::syscalls
