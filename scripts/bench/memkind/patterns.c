// The timed patterns of cells/patterns.mjs and fail.mjs, and how they are timed.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cell.h"

static void runPair(struct Pattern* pattern, long operations) {
    (void)pattern;
    for (long i = 0; i < operations; i++) memkind_free(kind, allocate(cell.size));
}

static void runHold(struct Pattern* pattern, long operations) {
    for (long i = 0; i < operations; i++) {
        memkind_free(kind, pattern->blocks[pattern->oldest]);
        pattern->blocks[pattern->oldest] = allocate(cell.size);
        pattern->oldest = pattern->oldest + 1 == cell.live ? 0 : pattern->oldest + 1;
    }
}

static void runRandom(struct Pattern* pattern, long operations) {
    for (long i = 0; i < operations; i++) {
        const int32_t slot = next(&pattern->sequence) % (int32_t)cell.live;
        memkind_free(kind, pattern->blocks[slot]);
        pattern->blocks[slot] = allocate((size_t)nextSize(&pattern->sequence));
    }
}

static void runFail(struct Pattern* pattern, long operations) {
    (void)pattern;
    for (long i = 0; i < operations; i++) {
        if (tryAllocate(cell.size) != NULL) exit(1);
    }
}

struct Pattern* newPattern(const char* name, uint32_t seed) {
    struct Pattern* const pattern = calloc(1, sizeof(*pattern));
    pattern->sequence.state = seed;
    makeSizes(&pattern->sequence);
    pattern->run = runPair;
    if (strcmp(name, "fail") == 0) {
        pattern->run = runFail;
        for (size_t size = 1 << 24; size > cell.size; size /= 16) {
            while (tryAllocate(size) != NULL) continue;
        }
        while (tryAllocate(cell.size) != NULL) continue;
    } else if (strcmp(name, "hold") == 0 || strcmp(name, "random") == 0) {
        pattern->run = strcmp(name, "hold") == 0 ? runHold : runRandom;
        pattern->blocks = calloc((size_t)cell.live, sizeof(*pattern->blocks));
        for (long i = 0; i < cell.live; i++) {
            pattern->blocks[i] = allocate(pattern->run == runHold ? cell.size : (size_t)nextSize(&pattern->sequence));
        }
    }
    return pattern;
}

void freePattern(struct Pattern* pattern) {
    for (long i = 0; pattern->blocks != NULL && i < cell.live; i++) memkind_free(kind, pattern->blocks[i]);
    free(pattern->blocks);
    free(pattern);
}

double nanoseconds(int clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

// As in cells/timing.mjs: runs until all live blocks have been replaced. Returns operations per millisecond.
double warmUp(struct Pattern* pattern) {
    const double started = nanoseconds(CLOCK_MONOTONIC);
    double rate = 0;
    long done = 0;
    for (long batch = 64; done < 2 * cell.live || nanoseconds(CLOCK_MONOTONIC) - started < cell.warmUpMs * 1e6;) {
        const double from = nanoseconds(CLOCK_MONOTONIC);
        pattern->run(pattern, batch);
        const double ms = (nanoseconds(CLOCK_MONOTONIC) - from) / 1e6;
        done += batch;
        rate = (double)batch / fmax(ms, 0.001);
        if (ms < 10) batch *= 2;
    }
    return rate;
}

void timePattern(void) {
    struct Pattern* const pattern = newPattern(cell.pattern, cell.seed);
    const long operations = (long)ceil(warmUp(pattern) * cell.sampleMs);
    printf("{\"operations\":%ld,\"samples\":[", operations);
    for (long i = 0; i < cell.samples; i++) {
        const double process = nanoseconds(CLOCK_PROCESS_CPUTIME_ID);
        const double cpu = nanoseconds(CLOCK_THREAD_CPUTIME_ID);
        const double wall = nanoseconds(CLOCK_MONOTONIC);
        pattern->run(pattern, operations);
        const double n = (double)operations;
        printf("%s{\"cpu\":%.3f,\"wall\":%.3f,\"process\":%.3f}", i == 0 ? "" : ",",
               (nanoseconds(CLOCK_THREAD_CPUTIME_ID) - cpu) / n, (nanoseconds(CLOCK_MONOTONIC) - wall) / n,
               (nanoseconds(CLOCK_PROCESS_CPUTIME_ID) - process) / n);
    }
    printf("]}\n");
    freePattern(pattern);
}
