// Keeps signals from a thread for a while.
#pragma once

#include <csignal>

namespace daxkind::syscalls {

// While it lives, this thread gets no signal of the set; at its end what was blocked before is.
class BlockedSignals {
  public:
    // All that can be blocked.
    BlockedSignals() {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    // These and no others.
    explicit BlockedSignals(const sigset_t& blocked) { pthread_sigmask(SIG_SETMASK, &blocked, &before_); }
    BlockedSignals(const BlockedSignals&) = delete;
    BlockedSignals& operator=(const BlockedSignals&) = delete;
    ~BlockedSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

  private:
    sigset_t before_;
};

}  // namespace daxkind::syscalls
