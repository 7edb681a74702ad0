// Makes a system call of this thread return EINTR after some time. Some waits of the kernel end only when a signal
// comes. Punching a hole into a file on DAX waits until nobody has a page of the file pinned. So does allocating in one
// on XFS. Meanwhile the call keeps everybody from the file's blocks, and in Linux 6.1 it sleeps on when the pin of an
// O_DIRECT transfer ends.
#pragma once

#include <csignal>
#include <cstdint>

namespace daxkind::syscalls {

// While it is alive, this thread gets a signal every `intervalMs` milliseconds, and the signal's handler does nothing.
// The signal is a real-time signal that nobody had a handler for when the first Interrupter was made. If there is no
// such signal, or no timer can be made, nothing is interrupted.
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
