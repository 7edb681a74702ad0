// The random numbers and sizes of cells/sequence.mjs.
#include <math.h>

#include "cell.h"

int32_t next(struct Sequence* sequence) {
    uint32_t state = sequence->state;
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    sequence->state = state;
    return (int32_t)(state & 0x7fffffff);
}

void makeSizes(struct Sequence* sequence) {
    // randomSizes: 16 bytes, 12 doublings.
    for (int i = 0; i < kSizes; i++) {
        sequence->sizes[i] = (int32_t)floor(16 * pow(2, 12.0 * next(sequence) / 2147483648.0));
    }
}

int32_t nextSize(struct Sequence* sequence) {
    return sequence->sizes[sequence->at++ & (kSizes - 1)];
}
