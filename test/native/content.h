// What tests write into blocks, so that it shows when somebody else has written there or the memory was taken away:
// words that depend on a seed and on their place, at the start and at the end of a block and often enough in between.
// Lengths are multiples of 16, as usable sizes are.
#pragma once

#include <cstdint>

namespace test {

void writeContent(char* block, uint64_t bytes, uint64_t seed);
// Checks what writeContent wrote, as far as `cut`: of a block that has been made shorter, only the start is there.
void checkContent(const char* block, uint64_t bytes, uint64_t seed, uint64_t cut);

}  // namespace test
