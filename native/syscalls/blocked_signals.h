// Keeps signals from a thread for a while.
#pragma once

#include <csignal>

namespace daxkind::syscalls {

// While it lives, this thread gets no signal of the set. Its end restores the mask that was there before.
class BlockedSignals {
  public:
    // Blocks all signals that can be blocked.
    BlockedSignals() {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    // Blocks these signals and no others.
    explicit BlockedSignals(const sigset_t& blocked) { pthread_sigmask(SIG_SETMASK, &blocked, &before_); }
    BlockedSignals(const BlockedSignals&) = delete;
    BlockedSignals& operator=(const BlockedSignals&) = delete;
    ~BlockedSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

  private:
    sigset_t before_;
};

}  // namespace daxkind::syscalls
