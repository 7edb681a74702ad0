// Several threads do the same work on one kind, as cells/threads.mjs.
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cell.h"

enum { kMostThreads = 64, kMostTurns = 64, kTurnsForSample = 3 };

static pthread_barrier_t barrier;
static double rates[kMostThreads];
static long operations;
static long turns;
struct Sample {
    double from, to, cpu;
};
// Samples of the first thread alone, and of all threads.
static struct Sample alone[1][kMostTurns], together[kMostThreads][kMostTurns];
// The same for work that needs nothing but a processor.
static const long kSpins = 2000000;
static struct Sample machineAlone[1][kMostTurns], machineTogether[kMostThreads][kMostTurns];

static volatile int32_t spun;

static void spin(struct Pattern* pattern, long rounds) {
    (void)pattern;
    uint32_t a = 1, b = 2, c = 3, d = 4, e = 5, f = 6, g = 7, h = 8;
    for (uint32_t i = 0; i < (uint32_t)rounds; i++) {
        a = (a * 5) ^ i;
        b += a;
        c = (c * 9) ^ i;
        d += c;
        e = (e ^ i) + 7;
        f = (f + i) ^ 3;
        g = (g ^ i) - 5;
        h = (h - i) ^ 9;
    }
    spun = (int32_t)(a ^ b ^ c ^ d ^ e ^ f ^ g ^ h);
}

static void measure(struct Pattern* pattern, long count, struct Sample* sample) {
    const double cpu = nanoseconds(CLOCK_THREAD_CPUTIME_ID);
    sample->from = nanoseconds(CLOCK_MONOTONIC);
    pattern->run(pattern, count);
    sample->to = nanoseconds(CLOCK_MONOTONIC);
    sample->cpu = (nanoseconds(CLOCK_THREAD_CPUTIME_ID) - cpu) / (double)count;
}

// The first thread alone, then all of them.
static void turn(struct Pattern* pattern, long count, int index, struct Sample* first, struct Sample* all) {
    pthread_barrier_wait(&barrier);
    if (index == 0) measure(pattern, count, first);
    pthread_barrier_wait(&barrier);
    measure(pattern, count, all);
}

static void* work(void* argument) {
    const int index = (int)(intptr_t)argument;
    struct Pattern* const pattern = newPattern(cell.pattern + strlen("threads-"), cell.seed + (uint32_t)index);
    pthread_barrier_wait(&barrier);
    rates[index] = warmUp(pattern);
    if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD) {
        double sum = 0;
        for (int i = 0; i < cell.threads; i++) sum += rates[i];
        operations = (long)ceil(sum / cell.threads * cell.sampleMs);
    }
    struct Pattern machine = {.run = spin};
    for (long i = 0; i < turns; i++) {
        turn(&machine, kSpins, index, &machineAlone[0][i], &machineTogether[index][i]);
        turn(pattern, operations, index, &alone[0][i], &together[index][i]);
    }
    pthread_barrier_wait(&barrier);
    freePattern(pattern);
    return NULL;
}

// Operations for each microsecond of wall time, and the CPU time of each.
struct Rate {
    double throughput, cpu;
};

// The rate of some threads in one turn.
static struct Rate rate(struct Sample samples[][kMostTurns], int threads, long count, long turn) {
    double from = samples[0][turn].from;
    double to = samples[0][turn].to;
    double cpu = 0;
    for (int thread = 0; thread < threads; thread++) {
        from = fmin(from, samples[thread][turn].from);
        to = fmax(to, samples[thread][turn].to);
        cpu += samples[thread][turn].cpu;
    }
    return (struct Rate){(double)threads * (double)count * 1000 / (to - from), cpu / threads};
}

static void print(const char* name, struct Sample samples[][kMostTurns], int threads, long turn) {
    const struct Rate each = rate(samples, threads, operations, turn);
    printf("\"%s\":{\"cpu\":%.3f,\"throughput\":%.6f},", name, each.cpu, each.throughput);
}

void runThreads(void) {
    pthread_t threads[kMostThreads];
    turns = kTurnsForSample * cell.samples;
    if (cell.threads > kMostThreads || turns > kMostTurns) exit(2);
    pthread_barrier_init(&barrier, NULL, (unsigned)cell.threads);
    for (int i = 0; i < cell.threads; i++) pthread_create(&threads[i], NULL, work, (void*)(intptr_t)i);
    for (int i = 0; i < cell.threads; i++) pthread_join(threads[i], NULL);
    printf("{\"operations\":%ld,\"turns\":[", operations);
    for (long i = 0; i < turns; i++) {
        printf(i == 0 ? "{" : ",{");
        print("one", alone, 1, i);
        print("all", together, cell.threads, i);
        const double one = rate(machineAlone, 1, kSpins, i).throughput;
        printf("\"machine\":%.4f}", rate(machineTogether, cell.threads, kSpins, i).throughput / one);
    }
    printf("]}\n");
}
