#include "content.h"

#include <algorithm>
#include <cstring>

#include "check.h"

namespace test {

namespace {

// The distance of the words: each cache line of a short block, some hundreds of places in a long block.
uint64_t stride(uint64_t bytes) {
    if (bytes <= 4096) return 64;
    return std::max<uint64_t>(1024, bytes / 256 / 1024 * 1024);
}

uint64_t wordAt(uint64_t seed, uint64_t position) {
    return (seed * 0x9e3779b97f4a7c15) ^ position;
}

template <typename Body>
void forPlaces(uint64_t bytes, Body body) {
    for (uint64_t position = 0; position + 8 <= bytes; position += stride(bytes)) body(position);
    body(bytes - 8);
}

}  // namespace

void writeContent(char* block, uint64_t bytes, uint64_t seed) {
    forPlaces(bytes, [&](uint64_t position) {
        const uint64_t word = wordAt(seed, position);
        std::memcpy(block + position, &word, sizeof word);
    });
}

void checkContent(const char* block, uint64_t bytes, uint64_t seed, uint64_t cut) {
    forPlaces(bytes, [&](uint64_t position) {
        if (position + 8 > cut) return;
        uint64_t word;
        std::memcpy(&word, block + position, sizeof word);
        CHECK(word == wordAt(seed, position), "a block of %llu bytes has lost its content at byte %llu",
              (unsigned long long)bytes, (unsigned long long)position);
    });
}

}  // namespace test
