// Linked into the binaries of the package only. They have to load wherever Node itself does: with glibc 2.28. But
// Debian 12's headers and libstdc++ call functions that are newer. This file makes those functions of older ones. The
// addon's version script (native/exports.map) hides them from the rest of the process.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

// glibc 2.32: libstdc++ counts references without atomic instructions while this is not 0. Node always has several
// threads.
char __libc_single_threaded = 0;

// glibc 2.33: before it these were inline functions of the headers. On 64-bit machines, glibc's structure is the
// kernel's. The structure is opaque here, because <sys/stat.h> declares the same names in its own way.
int stat64(const char* path, void* status) {
    return syscall(SYS_newfstatat, AT_FDCWD, path, status, 0);
}

int lstat64(const char* path, void* status) {
    return syscall(SYS_newfstatat, AT_FDCWD, path, status, AT_SYMLINK_NOFOLLOW);
}

int fstat64(int fd, void* status) {
    return syscall(SYS_fstat, fd, status);
}

int fstatat64(int fd, const char* path, void* status, int flags) {
    return syscall(SYS_newfstatat, fd, path, status, flags);
}

typedef int Clockwait(pthread_cond_t*, pthread_mutex_t*, clockid_t, const struct timespec*);

// glibc 2.30. std::condition_variable waits with it until a time of the steady clock, and looks at that clock
// afterwards. So this wait may end early if somebody sets the system's clock meanwhile, as in older versions of
// libstdc++.
static int waitByRealTime(pthread_cond_t* condition, pthread_mutex_t* mutex, clockid_t clock,
                          const struct timespec* until) {
    struct timespec now, deadline;
    if (clock_gettime(clock, &now) != 0 || clock_gettime(CLOCK_REALTIME, &deadline) != 0) return errno;
    deadline.tv_sec += until->tv_sec - now.tv_sec;
    deadline.tv_nsec += until->tv_nsec - now.tv_nsec;
    if (deadline.tv_nsec < 0) {
        deadline.tv_nsec += 1000000000;
        deadline.tv_sec--;
    } else if (deadline.tv_nsec >= 1000000000) {
        deadline.tv_nsec -= 1000000000;
        deadline.tv_sec++;
    }
    return pthread_cond_timedwait(condition, mutex, &deadline);
}

static Clockwait* clockwait = waitByRealTime;

__attribute__((constructor)) static void findClockwait(void) {
    Clockwait* real = (Clockwait*)dlsym(RTLD_DEFAULT, "pthread_cond_clockwait");
    if (real) clockwait = real;
}

int pthread_cond_clockwait(pthread_cond_t* condition, pthread_mutex_t* mutex, clockid_t clock,
                           const struct timespec* until) {
    return clockwait(condition, mutex, clock, until);
}
