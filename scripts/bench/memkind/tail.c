// How long the slowest of millions of mallocs and frees take, as cells/tail.mjs. The buckets are those of
// cells/histogram.mjs.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cell.h"

// A conservative kind makes only a fifth of the operations, because each takes 12 us. With a default kind it takes 0.3
// us.
enum { kConservativePart = 5 };
enum { kMostThreads = 64, kBits = 5, kExact = 1 << (kBits + 1), kBuckets = (31 - kBits + 1) << kBits };

struct Histogram {
    int64_t max;
    int32_t counts[kBuckets];
};
struct Latencies {
    struct Histogram malloc, free, clock;
};

static pthread_barrier_t barrier;
static struct Latencies latencies[kMostThreads];

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

static void record(struct Histogram* histogram, int64_t took) {
    const int32_t value = took > INT32_MAX ? INT32_MAX : (int32_t)took;
    int32_t bucket = value;
    if (value >= kExact) {
        const int shift = 31 - kBits - __builtin_clz((unsigned)value);
        bucket = (shift << kBits) + (value >> shift);
    }
    histogram->counts[bucket]++;
    if (value > histogram->max) histogram->max = value;
}

static void replace(struct Pattern* pattern, long operations) {
    struct Latencies* const took = pattern->latencies;
    for (long i = 0; i < operations; i++) {
        const int32_t slot = next(&pattern->sequence) % (int32_t)cell.live;
        const size_t size = (size_t)nextSize(&pattern->sequence);
        void* const old = pattern->blocks[slot];
        const int64_t start = now();
        memkind_free(kind, old);
        const int64_t freed = now();
        void* const block = allocate(size);
        const int64_t allocated = now();
        const int64_t end = now();
        pattern->blocks[slot] = block;
        record(&took->free, freed - start);
        record(&took->malloc, allocated - freed);
        record(&took->clock, end - allocated);
    }
}

static void* work(void* argument) {
    const int index = (int)(intptr_t)argument;
    struct Pattern* const pattern = newPattern("random", cell.seed + (uint32_t)index);
    pattern->run = replace;
    pattern->latencies = &latencies[index];
    pthread_barrier_wait(&barrier);
    warmUp(pattern);
    memset(pattern->latencies, 0, sizeof(*pattern->latencies));
    pthread_barrier_wait(&barrier);
    const int isConservative = strcmp(cell.pattern, "tail-conservative") == 0;
    replace(pattern, isConservative ? cell.operations / kConservativePart : cell.operations);
    pthread_barrier_wait(&barrier);
    freePattern(pattern);
    return NULL;
}

// Prints the sum of the threads' histograms, each of which is `offset` bytes into its thread's latencies.
static void print(const char* name, size_t offset) {
    static struct Histogram sum;
    memset(&sum, 0, sizeof(sum));
    int end = 0;
    for (int thread = 0; thread < cell.threads; thread++) {
        const struct Histogram* const own = (const struct Histogram*)((const char*)&latencies[thread] + offset);
        if (own->max > sum.max) sum.max = own->max;
        for (int i = 0; i < kBuckets; i++) {
            sum.counts[i] += own->counts[i];
            if (sum.counts[i] > 0 && i >= end) end = i + 1;
        }
    }
    printf("\"%s\":{\"max\":%ld,\"counts\":[", name, (long)sum.max);
    for (int i = 0; i < end; i++) printf("%s%d", i == 0 ? "" : ",", sum.counts[i]);
    printf("]}");
}

void runTail(void) {
    pthread_t threads[kMostThreads];
    if (cell.threads > kMostThreads) exit(2);
    pthread_barrier_init(&barrier, NULL, (unsigned)cell.threads);
    for (int i = 0; i < cell.threads; i++) pthread_create(&threads[i], NULL, work, (void*)(intptr_t)i);
    for (int i = 0; i < cell.threads; i++) pthread_join(threads[i], NULL);
    printf("{");
    print("malloc", offsetof(struct Latencies, malloc));
    printf(",");
    print("free", offsetof(struct Latencies, free));
    printf(",");
    print("clock", offsetof(struct Latencies, clock));
    printf("}\n");
}
