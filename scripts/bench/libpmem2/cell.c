// The twin of cells/persist.mjs for libpmem2: measures one workload in C, and prints the result as one line of JSON.
// The arguments are those of cells/cell.mjs.
#include <fcntl.h>
#include <libpmem2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { kLine = 64, kBatch = 16 };

static char* base;
static char* source;
static size_t size, places, place;
static pmem2_memcpy_fn copy;
static pmem2_persist_fn persist;
static pmem2_drain_fn drain;
static uint64_t turn;

static char* nextPlace(void) {
    place = place + 1 == places ? 0 : place + 1;
    return base + place * size;
}

// What one sample repeats, and how many writes or flushes that is.
static void runCopy(long operations) {
    for (long i = 0; i < operations; i++) copy(nextPlace(), source, size, 0);
}

static void runBatch(long operations) {
    for (long i = 0; i < operations; i += kBatch) {
        for (int j = 0; j < kBatch; j++) copy(nextPlace(), source, size, PMEM2_F_MEM_NODRAIN);
        drain();
    }
}

// Dirties one word in each line of a range, and persists it.
static void runFlush(long operations) {
    for (long i = 0; i < operations; i++) {
        char* const at = nextPlace();
        turn++;
        for (size_t line = 0; line < size; line += kLine) *(volatile uint64_t*)(at + line) = turn;
        persist(at, size);
    }
}

static double nanoseconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void check(int error, const char* what) {
    if (error == 0) return;
    fprintf(stderr, "%s: %s\n", what, pmem2_errormsg());
    exit(1);
}

static void openMapping(const char* directory, size_t length) {
    char path[4096];
    snprintf(path, sizeof path, "%s/daxkind-bench-libpmem2-XXXXXX", directory);
    const int fd = mkstemp(path);
    if (fd < 0 || unlink(path) != 0 || posix_fallocate(fd, 0, (off_t)length) != 0) {
        perror(path);
        exit(1);
    }
    struct pmem2_config* config;
    struct pmem2_source* from;
    struct pmem2_map* map;
    check(pmem2_config_new(&config), "pmem2_config_new");
    check(pmem2_config_set_required_store_granularity(config, PMEM2_GRANULARITY_PAGE), "granularity");
    check(pmem2_source_from_fd(&from, fd), "pmem2_source_from_fd");
    check(pmem2_map_new(&map, config, from), "pmem2_map_new");
    base = pmem2_map_get_address(map);
    copy = pmem2_get_memcpy_fn(map);
    persist = pmem2_get_persist_fn(map);
    drain = pmem2_get_drain_fn(map);
    memset(base, 1, length);
}

int main(int argc, char** argv) {
    if (argc != 14) return 2;
    const char* const pattern = argv[3];
    size = strtoull(argv[5], NULL, 10);
    const double warmUpMs = atof(argv[10]), sampleMs = atof(argv[12]);
    const long samples = atol(argv[11]);
    places = (size_t)atol(argv[6]);
    openMapping(argv[2], size * places);
    source = aligned_alloc(4096, (size + 4095) / 4096 * 4096);
    memset(source, 2, size);
    void (*run)(long) = strcmp(pattern, "persist-copy") == 0    ? runCopy
                        : strcmp(pattern, "persist-batch") == 0 ? runBatch
                                                                : runFlush;
    double rate = 0;
    const double begin = nanoseconds(CLOCK_MONOTONIC);
    for (long batch = kBatch; nanoseconds(CLOCK_MONOTONIC) - begin < warmUpMs * 1e6;) {
        const double from = nanoseconds(CLOCK_MONOTONIC);
        run(batch);
        const double took = nanoseconds(CLOCK_MONOTONIC) - from;
        rate = (double)batch / took;
        if (took < 1e7) batch *= 2;
    }
    long operations = (long)(rate * sampleMs * 1e6) / kBatch * kBatch;
    if (operations < kBatch) operations = kBatch;
    printf("{\"operations\":%ld,\"samples\":[", operations);
    for (long i = 0; i < samples; i++) {
        const double wall = nanoseconds(CLOCK_MONOTONIC), cpu = nanoseconds(CLOCK_THREAD_CPUTIME_ID);
        run(operations);
        printf("%s{\"cpu\":%f,\"wall\":%f}", i == 0 ? "" : ",",
               (nanoseconds(CLOCK_THREAD_CPUTIME_ID) - cpu) / (double)operations,
               (nanoseconds(CLOCK_MONOTONIC) - wall) / (double)operations);
    }
    printf("]}\n");
    return 0;
}
