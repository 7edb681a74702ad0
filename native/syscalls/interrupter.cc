// See interrupter.h.
#include "syscalls/interrupter.h"

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace daxkind::syscalls {

namespace {

// Takes a real-time signal. 0 if all are taken.
int takeSignal() {
    for (int signal = SIGRTMAX; signal >= SIGRTMIN; signal -= 1) {
        struct sigaction before = {};
        if (sigaction(signal, nullptr, &before) != 0 || before.sa_handler != SIG_DFL) continue;
        struct sigaction ours = {};
        ours.sa_handler = [](int) {};
        // There is no SA_RESTART, because with it the call would go on waiting.
        ours.sa_flags = SA_ONSTACK;
        if (sigaction(signal, &ours, nullptr) == 0) return signal;
    }
    return 0;
}

int ourSignal() {
    static const int signal = takeSignal();
    return signal;
}

}  // namespace

// The timer's calls are made by syscall(2): glibc before 2.34 has them in a library of their own, and numbers timers by
// pointers.
Interrupter::Interrupter(uint32_t intervalMs) {
    if (ourSignal() == 0) return;
    struct sigevent event = {};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = ourSignal();
    event._sigev_un._tid = static_cast<pid_t>(syscall(SYS_gettid));
    if (syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer_) != 0) {
        timer_ = -1;
        return;
    }
    struct itimerspec times = {};
    times.it_interval.tv_sec = intervalMs / 1000;
    times.it_interval.tv_nsec = intervalMs % 1000 * 1'000'000L;
    times.it_value = times.it_interval;
    syscall(SYS_timer_settime, timer_, 0, &times, nullptr);
}

Interrupter::~Interrupter() {
    if (timer_ >= 0) syscall(SYS_timer_delete, timer_);
}

void Interrupter::exempt(sigset_t* blocked) {
    if (ourSignal() != 0) sigdelset(blocked, ourSignal());
}

}  // namespace daxkind::syscalls
