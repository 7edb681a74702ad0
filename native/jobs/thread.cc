#include "jobs/thread.h"

#include <pthread.h>
#include <signal.h>

#include <cstddef>
#include <initializer_list>

#include "syscalls/blocked_signals.h"
#include "syscalls/sizes.h"

namespace daxkind {

namespace {

// The deepest step of a task is the walk of a tree. It needs a tenth of this.
constexpr size_t kStackSize = 256 * kKiB;

}  // namespace

int startThread(void* (*body)(void*), void* data) {
    sigset_t others;
    sigfillset(&others);
    for (const int fault : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT}) sigdelset(&others, fault);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, kStackSize);
    pthread_t thread;
    int error;
    {
        // The new thread inherits the signals that this one blocks.
        const syscalls::BlockedSignals blocked(others);
        error = pthread_create(&thread, &attributes, body, data);
    }
    pthread_attr_destroy(&attributes);
    return -error;
}

}  // namespace daxkind
