// Declarations that the parts of the memkind contestant share: the cell, allocation that must not fail, clocks and
// random numbers.
#pragma once

#include <memkind.h>
#include <stddef.h>
#include <stdint.h>

// One workload, as in cells/cell.mjs.
struct Cell {
    const char* directory;
    const char* pattern;
    size_t kindSize, size;
    long live;
    int threads;
    uint32_t seed;
    int touch;
    double warmUpMs, sampleMs;
    long samples, operations;
};
extern struct Cell cell;
extern memkind_t kind;

// sequence.c: as cells/sequence.mjs.
enum { kSizes = 1 << 16 };
struct Sequence {
    uint32_t state;
    int32_t sizes[kSizes];
    uint32_t at;
};
int32_t next(struct Sequence* sequence);
void makeSizes(struct Sequence* sequence);
int32_t nextSize(struct Sequence* sequence);

// cell.c
memkind_t openKind(void);
void* tryAllocate(size_t size);
void* allocate(size_t size);

// patterns.c: as cells/patterns.mjs, timing.mjs and fail.mjs.
struct Pattern {
    void (*run)(struct Pattern* pattern, long operations);
    void** blocks;
    long oldest;
    struct Sequence sequence;
    struct Latencies* latencies;  // tail.c
};
struct Pattern* newPattern(const char* name, uint32_t seed);
void freePattern(struct Pattern* pattern);
double nanoseconds(int clock);
double warmUp(struct Pattern* pattern);
void timePattern(void);

// As the rest of cells/. Each function prints a result.
void runThreads(void);
void runTail(void);
void fill(void);
void metadata(void);
void createOne(void);
void createMany(void);
void touchAll(void);
