// What tests write into blocks, so that they see it when somebody else has written there or the memory was taken away.
// They write words that depend on a seed and on their place, at the start and at the end of a block, and often enough
// in between. Lengths are multiples of 16, as usable sizes are.
#pragma once

#include <cstdint>

namespace test {

void writeContent(char* block, uint64_t bytes, uint64_t seed);
// Checks what writeContent wrote, up to `cut`. A block that has been made shorter has only the start of its content.
void checkContent(const char* block, uint64_t bytes, uint64_t seed, uint64_t cut);

}  // namespace test
