// How much a kind holds, as cells/fill.mjs.
#include <stdio.h>
#include <stdlib.h>

#include "cell.h"

enum { kRefills = 10 };

// Blocks and their lengths. There is room for all blocks that a kind can hold, because memkind's have at least 8 bytes.
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
