// Compares the parts of floor.c with what glibc itself has. Prints what is wrong, or nothing if all is well.
#include "../../scripts/prebuild/floor.c"

#include <stdio.h>
#include <string.h>

// This does not include <sys/stat.h>, because floor.c defines the functions that it declares. The structure is large
// enough for the kernel's.
typedef struct {
    char bytes[512];
} Status;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;

static void check(int isWell, const char* what) {
    if (!isWell) printf("wrong: %s\n", what);
}

static long long nanoseconds(struct timespec time) {
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static struct timespec inMilliseconds(clockid_t clock, long milliseconds) {
    struct timespec time;
    clock_gettime(clock, &time);
    const long long sum = nanoseconds(time) + milliseconds * 1000000LL;
    time.tv_sec = sum / 1000000000;
    time.tv_nsec = sum % 1000000000;
    return time;
}

static void* wake(void* unused) {
    pthread_mutex_lock(&mutex);
    pthread_cond_signal(&condition);
    pthread_mutex_unlock(&mutex);
    return unused;
}

static void testWait(Clockwait* wait, const char* name) {
    // Four waits of 0.3 s end in different fractions of a second, and at least one of them passes a full second.
    for (int n = 0; n < 4; n++) {
        const struct timespec until = inMilliseconds(CLOCK_MONOTONIC, 300);
        pthread_mutex_lock(&mutex);
        check(wait(&condition, &mutex, CLOCK_MONOTONIC, &until) == ETIMEDOUT, name);
        pthread_mutex_unlock(&mutex);
        // The two clocks are read one after the other, so 5 ms are allowed.
        struct timespec now = inMilliseconds(CLOCK_MONOTONIC, 5);
        check(nanoseconds(now) >= nanoseconds(until), "it waits until then");
    }
    const struct timespec late = inMilliseconds(CLOCK_MONOTONIC, 3600 * 1000);
    pthread_t thread;
    pthread_mutex_lock(&mutex);
    pthread_create(&thread, NULL, wake, NULL);
    check(wait(&condition, &mutex, CLOCK_MONOTONIC, &late) == 0, "a signal ends it");
    pthread_mutex_unlock(&mutex);
    pthread_join(thread, NULL);
}

int main(void) {
    testWait(waitByRealTime, "by the real time");
    check(clockwait != waitByRealTime, "glibc's own is found where there is one");
    testWait(pthread_cond_clockwait, "by glibc");

    Status byPath = {0}, byFd = {0}, byDirectory = {0}, link = {0};
    const int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    check(stat64("/proc/self/exe", &byPath) == 0 && fstat64(fd, &byFd) == 0, "stat and fstat");
    check(fstatat64(fd, "", &byDirectory, 0x1000 /* AT_EMPTY_PATH */) == 0, "fstatat");
    check(memcmp(&byPath, &byFd, 64) == 0 && memcmp(&byFd, &byDirectory, 64) == 0, "they say the same of one file");
    check(lstat64("/proc/self/exe", &link) == 0 && memcmp(&link, &byPath, 64) != 0, "lstat takes the link itself");
    errno = 0;
    check(stat64("/missing", &byPath) == -1 && errno == ENOENT, "errors are in errno");
    close(fd);
    return 0;
}
