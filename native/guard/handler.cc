#include "guard/handler.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <mutex>
#include <vector>

#include "guard/watched.h"

namespace daxkind::guard {

namespace {

// An action that was set before this handler. If it is for one signal only (SA_RESETHAND), the default action follows
// it.
struct Former {
    struct sigaction action;
    std::atomic<bool> isSpent{false};
};

// The actions that were set before this handler, the latest last. A handler that was installed after ours may pass on
// to ours what it does not want. Ours then asks the action before that handler, not that handler itself.
using Chain = std::vector<Former*>;

std::mutex armMutex;
std::atomic<const Chain*> formers{nullptr};

// The handler's call that is under way in this thread. A former action may call the handler again with the same
// arguments: that is the next level, deeper in the stack. A former action that jumps out of the handler leaves this as
// it is, and the kernel may put the next signal in the same place. It is in the thread's static block, because a
// handler may not allocate it.
struct Call {
    const siginfo_t* info = nullptr;
    uintptr_t frame = 0;
    size_t level = 0;
};
thread_local Call current __attribute__((tls_model("initial-exec")));

bool isOurs(const struct sigaction& action);

bool isSame(const struct sigaction& one, const struct sigaction& other) {
    return one.sa_handler == other.sa_handler && one.sa_flags == other.sa_flags;
}

// True for a fault: its access is made again when the handler returns. All other signals were sent.
bool comesAgain(const siginfo_t& info) {
    return info.si_code > 0 && info.si_code != BUS_MCEERR_AO;
}

// A process that has asked for it (PR_MCE_KILL) is told of a memory error that nobody has met yet (BUS_MCEERR_AO).
// There is nothing to do: an access to that place, if there ever is one, will be a fault.
bool serve(const siginfo_t& info) {
    const bool isFault = info.si_code == BUS_ADRERR || info.si_code == BUS_OBJERR || info.si_code == BUS_MCEERR_AR;
    if (!isFault && info.si_code != BUS_MCEERR_AO) return false;
    const auto address = reinterpret_cast<uintptr_t>(info.si_addr);
    Watched* const range = enterAt(address);
    if (range == nullptr) return false;
    const bool isServed = !isFault || range->replace(address, info.si_code == BUS_MCEERR_AR);
    range->leave();
    if (isServed && isFault) sem_post(&served());
    return isServed;
}

// Does what the kernel does where nobody has a handler. A fault happens again by itself and ends the process with its
// cause. A signal that was sent has to be sent again.
void doDefault(int signal, siginfo_t* info) {
    struct sigaction action = {};
    action.sa_handler = SIG_DFL;
    sigaction(signal, &action, nullptr);
    if (comesAgain(*info)) return;
    // It is sent with what it came with, if the kernel lets a process send that to itself. It is blocked until the
    // handler returns.
    if (syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), signal, info) != 0) raise(signal);
}

void passOn(int signal, siginfo_t* info, void* context) {
    const Chain& chain = *formers.load();
    if (current.level > chain.size()) return doDefault(signal, info);
    Former& former = *chain[chain.size() - current.level];
    const struct sigaction& action = former.action;
    const bool isOnce = (action.sa_flags & SA_RESETHAND) != 0;
    const bool isIgnored = action.sa_handler == SIG_IGN;
    if (isIgnored && !comesAgain(*info)) return;
    // The kernel lets nobody ignore a fault.
    if (isIgnored || action.sa_handler == SIG_DFL || (isOnce && former.isSpent.exchange(true))) {
        return doDefault(signal, info);
    }
    // Blocks the signals that the kernel would block if it had called the action.
    sigset_t mask = static_cast<ucontext_t*>(context)->uc_sigmask;
    for (int other = 1; other < NSIG; other++) {
        if (sigismember(&action.sa_mask, other) == 1) sigaddset(&mask, other);
    }
    if ((action.sa_flags & SA_NODEFER) == 0) sigaddset(&mask, signal);
    pthread_sigmask(SIG_SETMASK, &mask, nullptr);
    if ((action.sa_flags & SA_SIGINFO) != 0) {
        action.sa_sigaction(signal, info, context);
    } else {
        action.sa_handler(signal);
    }
}

void onSignal(int signal, siginfo_t* info, void* context) {
    const int error = errno;
    const Call outer = current;
    const auto frame = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
    const bool isInner = outer.info == info && frame < outer.frame;
    current = {info, frame, isInner ? outer.level + 1 : 1};
    if (!serve(*info)) passOn(signal, info, context);
    current = outer;
    errno = error;
}

bool isOurs(const struct sigaction& action) {
    return (action.sa_flags & SA_SIGINFO) != 0 && action.sa_sigaction == onSignal;
}

// The former actions that can still be asked when `found` does not want a signal. The default action asks nobody. An
// action that was there before has been put back, and knows nothing of those that came after it.
Chain chainBefore(const Chain* formerly, const struct sigaction& found) {
    if (formerly == nullptr || found.sa_handler == SIG_DFL || found.sa_handler == SIG_IGN) return {};
    const auto same = std::find_if(formerly->begin(), formerly->end(),
                                   [&found](const Former* former) { return isSame(former->action, found); });
    return Chain(formerly->begin(), same);
}

// Sets what foreign signals go to from now on. A handler may still be looking at the former list, so a list is never
// freed. The same actions come and go, so a new list is seldom needed.
void keep(const struct sigaction& found) {
    static std::vector<const Chain*>& known = *new std::vector<const Chain*>();
    const Chain before = chainBefore(formers.load(), found);
    const auto same = std::find_if(known.begin(), known.end(), [&](const Chain* chain) {
        const Former& last = *chain->back();
        return std::equal(chain->begin(), chain->end() - 1, before.begin(), before.end()) &&
               isSame(last.action, found) && !last.isSpent;
    });
    if (same != known.end()) {
        formers = *same;
        return;
    }
    auto* const former = new Former();
    former->action = found;
    auto* const chain = new Chain(before);
    chain->push_back(former);
    known.push_back(chain);
    formers = chain;
}

}  // namespace

sem_t& served() {
    static sem_t* const only = [] {
        auto* const semaphore = new sem_t;
        sem_init(semaphore, 0, 0);
        return semaphore;
    }();
    return *only;
}

bool isArmed() {
    struct sigaction now;
    return sigaction(SIGBUS, nullptr, &now) == 0 && isOurs(now);
}

void arm() {
    const std::lock_guard<std::mutex> lock(armMutex);
    served();
    struct sigaction found;
    if (sigaction(SIGBUS, nullptr, &found) != 0 || isOurs(found)) return;
    keep(found);
    struct sigaction action = {};
    action.sa_sigaction = onSignal;
    // No other handler of this thread runs while this one replaces a page.
    sigfillset(&action.sa_mask);
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
    struct sigaction replaced;
    sigaction(SIGBUS, &action, &replaced);
    // Somebody else may have set a handler between the two calls.
    if (!isOurs(replaced) && !isSame(replaced, found)) keep(replaced);
}

}  // namespace daxkind::guard
