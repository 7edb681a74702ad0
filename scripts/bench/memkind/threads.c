// Several threads with the same work on one kind: cells/threads.mjs.
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
// Of the first thread alone, and of all.
static struct Sample alone[1][kMostTurns], together[kMostThreads][kMostTurns];

static void measure(struct Pattern* pattern, struct Sample* sample) {
    const double cpu = nanoseconds(CLOCK_THREAD_CPUTIME_ID);
    sample->from = nanoseconds(CLOCK_MONOTONIC);
    pattern->run(pattern, operations);
    sample->to = nanoseconds(CLOCK_MONOTONIC);
    sample->cpu = (nanoseconds(CLOCK_THREAD_CPUTIME_ID) - cpu) / (double)operations;
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
    for (long i = 0; i < turns; i++) {
        pthread_barrier_wait(&barrier);
        if (index == 0) measure(pattern, &alone[0][i]);
        pthread_barrier_wait(&barrier);
        measure(pattern, &together[index][i]);
    }
    pthread_barrier_wait(&barrier);
    freePattern(pattern);
    return NULL;
}

static void print(const char* name, struct Sample samples[][kMostTurns], int threads, long turn) {
    double from = samples[0][turn].from;
    double to = samples[0][turn].to;
    double cpu = 0;
    for (int thread = 0; thread < threads; thread++) {
        from = fmin(from, samples[thread][turn].from);
        to = fmax(to, samples[thread][turn].to);
        cpu += samples[thread][turn].cpu;
    }
    printf("\"%s\":{\"cpu\":%.3f,\"throughput\":%.6f}", name, cpu / threads,
           (double)threads * (double)operations * 1000 / (to - from));
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
        printf(",");
        print("all", together, cell.threads, i);
        printf("}");
    }
    printf("]}\n");
}
