// System calls of the addon that fail when a test wants it: a library for LD_PRELOAD. It stands between the addon and
// the C library. It looks at the caller, and lets everybody else's calls pass. It takes its orders from a file that the
// script of the same process writes: see addon-faults.mjs.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/vfs.h>
#include <unistd.h>

// The calls, by their numbers in addon-faults.mjs.
enum Call {
    kNone,
    kFallocate,
    kFtruncate,
    kFstatfs,
    kMadvise,
    kMmap,
    kOpen,
    kStatx,
    kMalloc,
    kPthreadCreate,
    kMremap,
    kMbind,
    kFcntl
};

// The orders, as words of the file.
struct Orders {
    uint32_t call;       // Which call fails; kNone: none does.
    uint32_t nth;        // The first call of that sort that fails.
    int32_t error;       // errno.
    uint32_t isForGood;  // All later ones fail, too.
    uint32_t seen;       // Calls of that sort since the order was given. This library writes it.
    uint32_t failed;     // How many of them have failed. This library writes it.
};

static struct Orders* orders;

__attribute__((constructor)) static void begin(void) {
    const char* const path = getenv("DAXKIND_FAULTS");
    if (path == NULL) return;
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) abort();
    void* const at = mmap(NULL, sizeof(struct Orders), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) abort();
    close(fd);
    orders = at;
}

static int isOfAddon(const void* caller) {
    Dl_info info;
    if (dladdr(caller, &info) == 0 || info.dli_fname == NULL) return 0;
    const char* const name = strrchr(info.dli_fname, '/');
    return name != NULL && strcmp(name, "/daxkind.node") == 0;
}

// Whether the call fails. If it does, errno is set.
static int fails(enum Call call, const void* caller) {
    if (orders == NULL || __atomic_load_n(&orders->call, __ATOMIC_ACQUIRE) != call || !isOfAddon(caller)) return 0;
    const uint32_t seen = __atomic_add_fetch(&orders->seen, 1, __ATOMIC_RELAXED);
    if (seen != orders->nth && !(seen > orders->nth && orders->isForGood)) return 0;
    __atomic_add_fetch(&orders->failed, 1, __ATOMIC_RELAXED);
    errno = orders->error;
    return 1;
}

#define CALLER __builtin_return_address(0)
// The C library's function of that name.
#define REAL(name) ((__typeof__(&name))real(&name##Real, #name))

static void* real(void** known, const char* name) {
    void* found = __atomic_load_n(known, __ATOMIC_RELAXED);
    if (found == NULL) {
        found = dlsym(RTLD_NEXT, name);
        if (found == NULL) abort();
        __atomic_store_n(known, found, __ATOMIC_RELAXED);
    }
    return found;
}

static void *fallocate64Real, *fcntl64Real, *ftruncate64Real, *fstatfs64Real, *madviseReal, *mmap64Real, *mremapReal,
    *open64Real, *pthread_createReal, *syscallReal;

int fallocate64(int fd, int mode, off64_t offset, off64_t length) {
    return fails(kFallocate, CALLER) ? -1 : REAL(fallocate64)(fd, mode, offset, length);
}

int fcntl64(int fd, int command, ...) {
    va_list rest;
    va_start(rest, command);
    void* const argument = va_arg(rest, void*);
    va_end(rest);
    return fails(kFcntl, CALLER) ? -1 : REAL(fcntl64)(fd, command, argument);
}

int ftruncate64(int fd, off64_t size) {
    return fails(kFtruncate, CALLER) ? -1 : REAL(ftruncate64)(fd, size);
}

int fstatfs64(int fd, struct statfs64* status) {
    return fails(kFstatfs, CALLER) ? -1 : REAL(fstatfs64)(fd, status);
}

int madvise(void* address, size_t length, int advice) {
    return fails(kMadvise, CALLER) ? -1 : REAL(madvise)(address, length, advice);
}

void* mmap64(void* address, size_t length, int protection, int flags, int fd, off64_t offset) {
    return fails(kMmap, CALLER) ? MAP_FAILED : REAL(mmap64)(address, length, protection, flags, fd, offset);
}

void* mremap(void* address, size_t length, size_t newLength, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    void* const newAddress = (flags & MREMAP_FIXED) != 0 ? va_arg(rest, void*) : NULL;
    va_end(rest);
    return fails(kMremap, CALLER) ? MAP_FAILED : REAL(mremap)(address, length, newLength, flags, newAddress);
}

int open64(const char* path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    const mode_t mode = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return fails(kOpen, CALLER) ? -1 : REAL(open64)(path, flags, mode);
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*body)(void*), void* argument) {
    if (fails(kPthreadCreate, CALLER)) return errno;
    return REAL(pthread_create)(thread, attributes, body, argument);
}

// The C library's own name for malloc. dlsym would allocate.
extern void* __libc_malloc(size_t size);

// Only malloc in the addon's threads fails. In the main thread Node itself ends when there is no memory.
void* malloc(size_t size) {
    if (orders != NULL && __atomic_load_n(&orders->call, __ATOMIC_ACQUIRE) == kMalloc && gettid() != getpid() &&
        fails(kMalloc, CALLER))
        return NULL;
    return __libc_malloc(size);
}

// The addon calls statx and mbind by their numbers.
long syscall(long number, ...) {
    va_list rest;
    va_start(rest, number);
    long values[6];
    for (int i = 0; i < 6; i++) values[i] = va_arg(rest, long);
    va_end(rest);
    if (number == SYS_statx && fails(kStatx, CALLER)) return -1;
    if (number == SYS_mbind && fails(kMbind, CALLER)) return -1;
    return REAL(syscall)(number, values[0], values[1], values[2], values[3], values[4], values[5]);
}
