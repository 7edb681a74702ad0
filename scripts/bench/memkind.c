// The twin of cell.mjs for memkind: measures one workload in C, and prints the result as one line of JSON. Random
// numbers and sizes are those of sequence.mjs, the patterns those of patterns.mjs and fill.mjs.
#include <math.h>
#include <memkind.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { kSizes = 1 << 16, kRefills = 10 };

struct Cell {
    const char* pattern;
    size_t kindSize, size;
    long live;
    int touch;
    double warmUpMs, sampleMs;
    long samples;
};

static struct Cell cell;
static memkind_t kind;
static uint32_t state;
static int32_t sizes[kSizes];
static uint32_t at;
static void** blocks;
static long oldest;

static int32_t next(void) {
    state ^= state << 13;
    state ^= (uint32_t)state >> 17;
    state ^= state << 5;
    return (int32_t)(state & 0x7fffffff);
}

static void makeSizes(void) {
    // randomSizes of workloads.mjs: 16 bytes, 12 doublings.
    for (int i = 0; i < kSizes; i++) sizes[i] = (int32_t)floor(16 * pow(2, 12.0 * next() / 2147483648.0));
}

static void* tryAllocate(size_t size) {
    void* const block = memkind_malloc(kind, size);
    if (block != NULL && cell.touch) *(volatile char*)block = 1;
    return block;
}

static void* allocate(size_t size) {
    void* const block = tryAllocate(size);
    if (block != NULL) return block;
    fprintf(stderr, "memkind_malloc(%zu) failed: the kind is too small\n", size);
    exit(1);
}

static void runPair(long operations) {
    for (long i = 0; i < operations; i++) memkind_free(kind, allocate(cell.size));
}

static void runHold(long operations) {
    for (long i = 0; i < operations; i++) {
        memkind_free(kind, blocks[oldest]);
        blocks[oldest] = allocate(cell.size);
        oldest = oldest + 1 == cell.live ? 0 : oldest + 1;
    }
}

static void runRandom(long operations) {
    for (long i = 0; i < operations; i++) {
        const int32_t slot = next() % (int32_t)cell.live;
        memkind_free(kind, blocks[slot]);
        blocks[slot] = allocate((size_t)sizes[at++ & (kSizes - 1)]);
    }
}

static double nanoseconds(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

// As in cell.mjs: until the live blocks have been replaced; operations per millisecond.
static double warmUp(void (*run)(long)) {
    const double started = nanoseconds(CLOCK_MONOTONIC);
    double rate = 0;
    long done = 0;
    for (long batch = 64; done < 2 * cell.live || nanoseconds(CLOCK_MONOTONIC) - started < cell.warmUpMs * 1e6;) {
        const double from = nanoseconds(CLOCK_MONOTONIC);
        run(batch);
        const double ms = (nanoseconds(CLOCK_MONOTONIC) - from) / 1e6;
        done += batch;
        rate = (double)batch / fmax(ms, 0.001);
        if (ms < 10) batch *= 2;
    }
    return rate;
}

static void timePattern(void) {
    void (*run)(long) = runPair;
    if (strcmp(cell.pattern, "pair") != 0) {
        run = strcmp(cell.pattern, "hold") == 0 ? runHold : runRandom;
        for (long i = 0; i < cell.live; i++) {
            blocks[i] = allocate(run == runHold ? cell.size : (size_t)sizes[at++ & (kSizes - 1)]);
        }
    }
    const long operations = (long)ceil(warmUp(run) * cell.sampleMs);
    printf("{\"operations\":%ld,\"samples\":[", operations);
    for (long i = 0; i < cell.samples; i++) {
        const double process = nanoseconds(CLOCK_PROCESS_CPUTIME_ID);
        const double cpu = nanoseconds(CLOCK_THREAD_CPUTIME_ID);
        const double wall = nanoseconds(CLOCK_MONOTONIC);
        run(operations);
        const double n = (double)operations;
        printf("%s{\"cpu\":%.3f,\"wall\":%.3f,\"process\":%.3f}", i == 0 ? "" : ",",
               (nanoseconds(CLOCK_THREAD_CPUTIME_ID) - cpu) / n, (nanoseconds(CLOCK_MONOTONIC) - wall) / n,
               (nanoseconds(CLOCK_PROCESS_CPUTIME_ID) - process) / n);
    }
    printf("]}\n");
}

static void fill(void) {
    // A block has 16 bytes at least.
    const size_t most = cell.kindSize / 16;
    int32_t* const lengths = malloc(most * sizeof(*lengths));
    blocks = malloc(most * sizeof(*blocks));
    size_t count = 0;
    double requested = 0;
    printf("{\"filled\":[");
    for (int round = 0; round <= kRefills; round++) {
        size_t kept = 0;
        for (size_t i = 0; round > 0 && i < count; i++) {
            if ((next() & 0x10000) != 0) {
                blocks[kept] = blocks[i];
                lengths[kept++] = lengths[i];
                continue;
            }
            requested -= lengths[i];
            memkind_free(kind, blocks[i]);
        }
        for (count = kept;; count++) {
            lengths[count] = sizes[at++ & (kSizes - 1)];
            blocks[count] = tryAllocate((size_t)lengths[count]);
            if (blocks[count] == NULL) break;
            requested += lengths[count];
        }
        printf("%s%.6f", round == 0 ? "" : ",", requested / (double)cell.kindSize);
    }
    printf("]}\n");
}

int main(int argc, char** argv) {
    if (argc != 12) return 2;
    // argv[1] is the contestant, as for cell.mjs.
    cell.pattern = argv[3];
    cell.kindSize = strtoull(argv[4], NULL, 10);
    cell.size = strtoull(argv[5], NULL, 10);
    cell.live = atol(argv[6]);
    state = (uint32_t)atol(argv[7]);
    cell.touch = atoi(argv[8]);
    cell.warmUpMs = atof(argv[9]);
    cell.samples = atol(argv[10]);
    cell.sampleMs = atof(argv[11]);
    const int error = memkind_create_pmem(argv[2], cell.kindSize, &kind);
    if (error != 0) {
        char message[MEMKIND_ERROR_MESSAGE_SIZE];
        memkind_error_message(error, message, sizeof(message));
        fprintf(stderr, "memkind_create_pmem in %s: %s\n", argv[2], message);
        return 1;
    }
    makeSizes();
    if (strcmp(cell.pattern, "fill") == 0) {
        fill();
    } else {
        blocks = calloc((size_t)cell.live, sizeof(*blocks));
        timePattern();
    }
    memkind_destroy_kind(kind);
    return 0;
}
