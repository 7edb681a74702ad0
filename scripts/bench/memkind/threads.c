// Several threads with the same work on one kind: cells/threads.mjs.
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cell.h"

enum { kMostThreads = 64, kMostSamples = 64 };

static pthread_barrier_t barrier;
static double rates[kMostThreads];
static long operations;
static struct {
    double from, to, cpu;
} samples[kMostThreads][kMostSamples];

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
    for (long i = 0; i < cell.samples; i++) {
        pthread_barrier_wait(&barrier);
        const double cpu = nanoseconds(CLOCK_THREAD_CPUTIME_ID);
        samples[index][i].from = nanoseconds(CLOCK_MONOTONIC);
        pattern->run(pattern, operations);
        samples[index][i].to = nanoseconds(CLOCK_MONOTONIC);
        samples[index][i].cpu = (nanoseconds(CLOCK_THREAD_CPUTIME_ID) - cpu) / (double)operations;
    }
    pthread_barrier_wait(&barrier);
    freePattern(pattern);
    return NULL;
}

void runThreads(void) {
    pthread_t threads[kMostThreads];
    if (cell.threads > kMostThreads || cell.samples > kMostSamples) exit(2);
    pthread_barrier_init(&barrier, NULL, (unsigned)cell.threads);
    for (int i = 0; i < cell.threads; i++) pthread_create(&threads[i], NULL, work, (void*)(intptr_t)i);
    for (int i = 0; i < cell.threads; i++) pthread_join(threads[i], NULL);
    printf("{\"operations\":%ld,\"samples\":[", operations);
    for (long i = 0; i < cell.samples; i++) {
        double from = samples[0][i].from;
        double to = samples[0][i].to;
        double cpu = 0;
        for (int thread = 0; thread < cell.threads; thread++) {
            from = fmin(from, samples[thread][i].from);
            to = fmax(to, samples[thread][i].to);
            cpu += samples[thread][i].cpu;
        }
        printf("%s{\"cpu\":%.3f,\"throughput\":%.6f}", i == 0 ? "" : ",", cpu / cell.threads,
               (double)cell.threads * (double)operations * 1000 / (to - from));
    }
    printf("]}\n");
}
