// SIGBUS that is not for the guard: a fault in memory that nobody watches, and a signal that kill() sends. Each does
// what it would have done without the guard, whoever has set a handler, and whenever. Each case is a program of its
// own, because it ends by the signal or leaves a handler behind. It is not a child by fork(), because a sanitizer lets
// no child of a program with several threads go on.
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csetjmp>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>

#include "guard/handler.h"
#include "guard/watch.h"
#include "lossy_file.h"
#include "tests.h"

namespace test {

using namespace daxkind;

namespace {

// What a handler has seen. It runs in the only thread that a case has beside the guard's.
struct Seen {
    volatile int calls = 0;
    const char* volatile address = nullptr;
    volatile int code = 0;
    volatile int pid = 0;
    volatile intptr_t value = 0;
    volatile bool hasBlocked = false;
};
Seen first;
Seen second;
char* volatile plainFault = nullptr;
sigjmp_buf after;
struct sigaction previous;

// Puts memory there, so that the access succeeds.
void repair(const char* address) {
    const uint64_t from = reinterpret_cast<uint64_t>(address) / pageSize() * pageSize();
    constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    if (mmap(reinterpret_cast<void*>(from), pageSize(), PROT_READ | PROT_WRITE, kFlags, -1, 0) == MAP_FAILED) _exit(1);
}

void note(Seen* seen, const siginfo_t* info) {
    seen->calls = seen->calls + 1;
    seen->code = info->si_code;
    if (info->si_code > 0) {
        seen->address = static_cast<const char*>(info->si_addr);
    } else {
        seen->pid = info->si_pid;
        seen->value = reinterpret_cast<intptr_t>(info->si_value.sival_ptr);
    }
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
    seen->hasBlocked = sigismember(&blocked, SIGUSR1) == 1 && sigismember(&blocked, SIGUSR2) == 0 &&
                       sigismember(&blocked, SIGBUS) == 1;
}

void onFirst(int, siginfo_t* info, void*) {
    note(&first, info);
    if (info->si_code > 0) repair(static_cast<const char*>(info->si_addr));
}

void onPlain(int signal) {
    if (signal == SIGBUS) first.calls = first.calls + 1;
    if (plainFault != nullptr) repair(plainFault);
}

void onSecond(int, siginfo_t* info, void*) {
    note(&second, info);
    if (info->si_code > 0) repair(static_cast<const char*>(info->si_addr));
}

// Looks at the signal and passes it on to the handler that was there before.
void onPassing(int signal, siginfo_t* info, void* context) {
    second.calls = second.calls + 1;
    previous.sa_sigaction(signal, info, context);
}

void onJump(int, siginfo_t* info, void*) {
    note(&first, info);
    siglongjmp(after, 1);
}

using Handler = void (*)(int, siginfo_t*, void*);

void set(Handler handler, int flags = 0) {
    struct sigaction action = {};
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO | flags;
    sigaddset(&action.sa_mask, SIGUSR1);
    CHECK(sigaction(SIGBUS, &action, &previous) == 0);
}

void setPlain(void (*handler)(int)) {
    CHECK(std::signal(SIGBUS, handler) != SIG_ERR);
}

// A file that is watched and a file that is not. Neither has a page any more.
class Files {
  public:
    Files() : watched_(100), foreign_(100) {
        CHECK(watch_.begin(watched_.base(), watched_.length(), pageSize()) == 0);
        watched_.truncate(0);
        foreign_.truncate(0);
    }

    // Touches the next lost page, which the guard serves.
    void touchWatched() {
        const uint64_t at = next_++ * pageSize() + 8;
        errno = EXDEV;
        watched_.at(at) = 1;
        CHECK(errno == EXDEV && watched_.at(at) == 1 && watched_.at(at + 1) == 0 && watch_.hasLost(at, 1));
    }
    char* nextForeign() const { return foreign_.base() + foreignNext_ * pageSize() + 100; }
    void touchForeign() {
        const uint64_t at = foreignNext_++ * pageSize() + 100;
        foreign_.at(at) = 1;
    }

  private:
    LossyFile watched_;
    LossyFile foreign_;
    guard::Watch watch_;
    uint64_t next_ = 0;
    uint64_t foreignNext_ = 0;
};

// If the signal is not blocked, it arrives at the latest when a system call returns.
void send() {
    CHECK(kill(getpid(), SIGBUS) == 0);
    usleep(1000);
}

void expectFirst(Files* files, int calls) {
    const char* const address = files->nextForeign();
    files->touchForeign();
    CHECK(first.calls == calls && first.address == address && first.code == BUS_ADRERR);
    files->touchWatched();
    CHECK(first.calls == calls);
}

void killByFault() {
    setPlain(SIG_DFL);
    Files files;
    files.touchWatched();
    files.touchForeign();
}

void killBySent() {
    setPlain(SIG_DFL);
    Files files;
    files.touchWatched();
    send();
}

void askFormer() {
    set(onFirst);
    Files files;
    files.touchWatched();
    CHECK(first.calls == 0);
    expectFirst(&files, 1);
    CHECK(first.hasBlocked);
    expectFirst(&files, 2);
    // The signal arrives as it was sent, with its sender and its value.
    send();
    CHECK(first.calls == 3 && first.code == SI_USER && first.pid == getpid());
    CHECK(sigqueue(getpid(), SIGBUS, {.sival_int = 77}) == 0);
    usleep(1000);
    CHECK(first.calls == 4 && first.code == SI_QUEUE && static_cast<int>(first.value) == 77);
    expectFirst(&files, 5);
}

void askPlainFormer() {
    setPlain(onPlain);
    Files files;
    plainFault = files.nextForeign();
    files.touchForeign();
    CHECK(first.calls == 1);
    files.touchWatched();
    plainFault = nullptr;
    send();
    CHECK(first.calls == 2);
}

void askLater() {
    setPlain(SIG_DFL);
    Files files;
    set(onFirst);
    CHECK(!guard::isArmed());
    guard::arm();
    CHECK(guard::isArmed());
    files.touchWatched();
    CHECK(first.calls == 0);
    expectFirst(&files, 1);
    send();
    CHECK(first.calls == 2);
}

void killByLaterDefault() {
    set(onFirst);
    Files files;
    expectFirst(&files, 1);
    setPlain(SIG_DFL);
    guard::arm();
    files.touchWatched();
    files.touchForeign();
}

void killBySentAfterLaterDefault() {
    set(onFirst);
    Files files;
    setPlain(SIG_DFL);
    guard::arm();
    files.touchWatched();
    send();
}

void askOneThatPassesOn() {
    set(onFirst);
    Files files;
    set(onPassing);
    // The kernel calls the other handler, and that calls the guard.
    expectFirst(&files, 1);
    CHECK(second.calls == 2);
    // The kernel calls the guard, that calls the other handler, and that calls the guard again.
    guard::arm();
    expectFirst(&files, 2);
    CHECK(second.calls == 3);
    // The other handler puts back what was there before it.
    CHECK(sigaction(SIGBUS, &previous, nullptr) == 0 && guard::isArmed());
    expectFirst(&files, 3);
    // Now the other handler is both before and behind the guard.
    set(onPassing);
    expectFirst(&files, 4);
    guard::arm();
    expectFirst(&files, 5);
    send();
    CHECK(first.calls == 6);
}

void killByOneThatPassesOn() {
    setPlain(SIG_DFL);
    Files files;
    set(onPassing);
    guard::arm();
    files.touchWatched();
    CHECK(second.calls == 0);
    files.touchForeign();
}

void ignoreSent() {
    setPlain(SIG_IGN);
    Files files;
    send();
    send();
    files.touchWatched();
}

void killIgnoringByFault() {
    setPlain(SIG_IGN);
    Files files;
    send();
    files.touchForeign();
}

void askOnce() {
    set(onFirst, SA_RESETHAND);
    Files files;
    expectFirst(&files, 1);
    files.touchWatched();
    files.touchForeign();
}

void askOnceBySent() {
    set(onFirst, SA_RESETHAND);
    Files files;
    send();
    CHECK(first.calls == 1);
    files.touchWatched();
    send();
}

void jumpOut() {
    set(onJump);
    Files files;
    for (volatile int times = 1; times <= 3; times = times + 1) {
        const char* const address = files.nextForeign();
        if (sigsetjmp(after, 1) == 0) {
            files.touchForeign();
            CHECK(false, "the access went on");
        }
        CHECK(first.calls == times && first.address == address);
        sigset_t blocked;
        pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
        CHECK(sigismember(&blocked, SIGUSR1) == 0 && sigismember(&blocked, SIGBUS) == 0);
        files.touchWatched();
    }
}

// The same, but the guard is asked twice for each signal.
void jumpOutBehindAnother() {
    set(onJump);
    Files files;
    set(onPassing);
    guard::arm();
    for (volatile int times = 1; times <= 3; times = times + 1) {
        if (sigsetjmp(after, 1) == 0) {
            files.touchForeign();
            CHECK(false, "the access went on");
        }
        CHECK(first.calls == times && second.calls == times);
        files.touchWatched();
    }
}

void comeAndGo() {
    setPlain(SIG_DFL);
    Files files;
    for (int i = 0; i < 1000; i++) {
        set(i % 2 == 0 ? onFirst : onSecond);
        guard::arm();
        setPlain(SIG_DFL);
        guard::arm();
    }
    files.touchWatched();
    set(onFirst);
    guard::arm();
    expectFirst(&files, 1);
    set(onSecond);
    guard::arm();
    files.touchForeign();
    CHECK(first.calls == 1 && second.calls == 1);
}

void armByItself() {
    setPlain(SIG_DFL);
    Files files;
    for (int calls = 1; calls <= 2; calls++) {
        set(onFirst);
        const double start = elapsed();
        until("the guard is in its place again", guard::isArmed);
        // The guard looks twice a second. Shared machines may take their time.
        CHECK(elapsed() - start < 3, "%f s", elapsed() - start);
        expectFirst(&files, calls);
    }
}

struct Case {
    const char* what;  // Completes "where".
    void (*run)();
    bool isKilled;  // By SIGBUS. If false, it ends by itself.
};

const Case kCases[] = {
    {"a foreign fault does what it does by default", killByFault, true},
    {"a signal that was sent does what it does by default", killBySent, true},
    {"a handler was there before", askFormer, false},
    {"a plain handler was there before", askPlainFormer, false},
    {"a handler was set later", askLater, false},
    {"the default action was set later, and a fault comes", killByLaterDefault, true},
    {"the default action was set later, and a signal is sent", killBySentAfterLaterDefault, true},
    {"a later handler passes on to the guard", askOneThatPassesOn, false},
    {"a later handler passes on to the guard, and there was no handler before", killByOneThatPassesOn, true},
    {"a signal that was sent is ignored", ignoreSent, false},
    {"a fault would be ignored", killIgnoringByFault, true},
    {"a handler was set for one fault only", askOnce, true},
    {"a handler was set for one sent signal only", askOnceBySent, true},
    {"a handler jumps out", jumpOut, false},
    {"a handler behind another jumps out", jumpOutBehindAnother, false},
    {"handlers come and go", comeAndGo, false},
    {"nobody but the guard itself notices a handler", armByItself, false},
};

}  // namespace

void testGuardCase(const Options& options) {
    CHECK(options.seed < std::size(kCases));
    context() = "guard-case --seed " + std::to_string(options.seed);
    kCases[options.seed].run();
    CHECK(!kCases[options.seed].isKilled, "it was not killed");
}

void testGuardSignals(const Options&) {
    pid_t children[std::size(kCases)];
    for (size_t i = 0; i < std::size(kCases); i++) {
        const std::string number = std::to_string(i);
        children[i] = fork();
        if (children[i] != 0) continue;
        alarm(60);
        execl("/proc/self/exe", "native-test", "guard-case", "--seed", number.c_str(), nullptr);
        _exit(3);
    }
    for (size_t i = 0; i < std::size(kCases); i++) {
        context() = "guard-case --seed " + std::to_string(i);
        int status = 0;
        CHECK(waitpid(children[i], &status, 0) == children[i]);
        const bool isRight = kCases[i].isKilled ? WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS : status == 0;
        CHECK(isRight, "status %#x where %s", static_cast<unsigned>(status), kCases[i].what);
    }
    std::printf("guard-signals: %zu cases\n", std::size(kCases));
}

}  // namespace test
