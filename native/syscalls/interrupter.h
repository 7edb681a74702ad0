// Has a system call of this thread come back with EINTR after some time. Some waits of the kernel end only when a
// signal comes: to punch a hole into a file on DAX, and on XFS to allocate in it, waits until nobody has a page of it
// pinned, keeps all others from the file's blocks meanwhile, and in Linux 6.1 sleeps on when the pin of an O_DIRECT
// transfer ends.
#pragma once

#include <csignal>
#include <cstdint>

namespace daxkind::syscalls {

// While it is alive, this thread gets a signal every `intervalMs` milliseconds, whose handler does nothing. It is a
// real-time signal that nobody had a handler for when the first Interrupter was made. Where there is none, or no timer
// is to be had, nothing is interrupted.
class Interrupter {
  public:
    explicit Interrupter(uint32_t intervalMs);
    ~Interrupter();
    Interrupter(const Interrupter&) = delete;
    Interrupter& operator=(const Interrupter&) = delete;

    // Takes the signal out of a set of signals that are to be blocked.
    static void exempt(sigset_t* blocked);

  private:
    int timer_ = -1;
};

}  // namespace daxkind::syscalls
