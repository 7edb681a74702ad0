#include "cache/key.h"

#include <sys/random.h>

#include <cerrno>
#include <cstring>

namespace daxkind::cache {

namespace {

uint64_t rotate(uint64_t word, int bits) {
    return word << bits | word >> (64 - bits);
}

struct Sip {
    uint64_t v0, v1, v2, v3;

    void round() {
        v0 += v1;
        v1 = rotate(v1, 13) ^ v0;
        v0 = rotate(v0, 32);
        v2 += v3;
        v3 = rotate(v3, 16) ^ v2;
        v0 += v3;
        v3 = rotate(v3, 21) ^ v0;
        v2 += v1;
        v1 = rotate(v1, 17) ^ v2;
        v2 = rotate(v2, 32);
    }
    void add(uint64_t word) {
        v3 ^= word;
        round();
        v0 ^= word;
    }
};

}  // namespace

int HashSeed::open() {
    const ssize_t got = getrandom(this, sizeof *this, 0);
    if (got < 0) return -errno;
    return got == sizeof *this ? 0 : -EIO;
}

uint32_t hashOf(const HashSeed& seed, const Key& key) {
    // The initial state is "somepseudorandomlygeneratedbytes".
    Sip sip{seed.low ^ 0x736f6d6570736575, seed.high ^ 0x646f72616e646f6d, seed.low ^ 0x6c7967656e657261,
            seed.high ^ 0x7465646279746573};
    // Sorts are told apart by the key of the hash, so that the bytes need no copy.
    sip.v1 ^= static_cast<uint64_t>(key.sort);
    uint32_t at = 0;
    for (; at + 8 <= key.length; at += 8) {
        uint64_t word;
        std::memcpy(&word, key.data + at, sizeof word);
        sip.add(word);
    }
    uint64_t last = uint64_t{key.length} << 56;
    for (uint32_t i = at; i < key.length; i++) last |= uint64_t{key.data[i]} << 8 * (i - at);
    sip.add(last);
    sip.v2 ^= 0xff;
    sip.round();
    sip.round();
    sip.round();
    const uint64_t sum = sip.v0 ^ sip.v1 ^ sip.v2 ^ sip.v3;
    return static_cast<uint32_t>(sum ^ sum >> 32);
}

}  // namespace daxkind::cache
