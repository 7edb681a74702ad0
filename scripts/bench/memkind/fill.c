// How much a kind holds: cells/fill.mjs and refill.mjs.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cell.h"

enum { kRefills = 10, kEvictions = 20000 };

static const int32_t smallSizes[] = {
    8,   16,  32,   48,   64,   80,   96,   112,  128,  160,  192,  224,  256,  320,  384,  448,   512,   640,
    768, 896, 1024, 1280, 1536, 1792, 2048, 2560, 3072, 3584, 4096, 5120, 6144, 7168, 8192, 10240, 12288, 14336,
};
static const int32_t longSizes[] = {8519680, 4325376, 8519680, 4325376, 8519680,
                                    4325376, 8519680, 4325376, 432517,  608478};

// Blocks and their lengths; room for all that a kind can hold: memkind's blocks have 8 bytes at least.
static void** blocks;
static int32_t* lengths;
static size_t count;
static double requested;

static void makeLists(void) {
    blocks = malloc(cell.kindSize / 8 * sizeof(*blocks));
    lengths = malloc(cell.kindSize / 8 * sizeof(*lengths));
}

static int add(int32_t length) {
    blocks[count] = tryAllocate((size_t)length);
    if (blocks[count] == NULL) return 0;
    lengths[count++] = length;
    requested += length;
    return 1;
}

void fill(void) {
    struct Sequence* const sequence = calloc(1, sizeof(*sequence));
    sequence->state = cell.seed;
    makeSizes(sequence);
    makeLists();
    printf("{\"filled\":[");
    for (int round = 0; round <= kRefills; round++) {
        size_t kept = 0;
        for (size_t i = 0; round > 0 && i < count; i++) {
            if ((next(sequence) & 0x10000) != 0) {
                blocks[kept] = blocks[i];
                lengths[kept++] = lengths[i];
                continue;
            }
            requested -= lengths[i];
            memkind_free(kind, blocks[i]);
        }
        count = kept;
        while (add(nextSize(sequence))) continue;
        printf("%s%.6f", round == 0 ? "" : ",", requested / (double)cell.kindSize);
    }
    printf("]}\n");
}

void refill(void) {
    const int32_t single = (int32_t)cell.size;
    const int32_t* const sizes = single == 0 ? smallSizes : &single;
    const size_t cycle = single == 0 ? sizeof(smallSizes) / sizeof(*smallSizes) : 1;
    makeLists();
    printf("{\"filled\":[");
    for (long round = 0; round < cell.live; round++) {
        requested = 0;
        count = 0;
        while (add(sizes[count % cycle])) continue;
        printf("%s%.6f", round == 0 ? "" : ",", requested / (double)cell.kindSize);
        for (size_t i = 0; i < count; i++) memkind_free(kind, blocks[i]);
    }
    printf("]}\n");
}

void evict(void) {
    struct Sequence* const sequence = calloc(1, sizeof(*sequence));
    sequence->state = cell.seed;
    makeLists();
    double sum = 0;
    double least = 1;
    for (long i = 0; i < kEvictions; i++) {
        const int32_t size = longSizes[next(sequence) % (int32_t)(sizeof(longSizes) / sizeof(*longSizes))];
        while (!add(size)) {
            const size_t evicted = (size_t)next(sequence) % (count / 2);
            memkind_free(kind, blocks[evicted]);
            requested -= lengths[evicted];
            count--;
            memmove(blocks + evicted, blocks + evicted + 1, (count - evicted) * sizeof(*blocks));
            memmove(lengths + evicted, lengths + evicted + 1, (count - evicted) * sizeof(*lengths));
        }
        if (i < kEvictions / 10) continue;
        const double used = requested / (double)cell.kindSize;
        sum += used;
        if (used < least) least = used;
    }
    printf("{\"mean\":%.6f,\"least\":%.6f}\n", sum / (kEvictions - kEvictions / 10), least);
}
