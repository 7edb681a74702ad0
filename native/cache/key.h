// The keys of a cache: a string or bytes. A string and a Buffer are never the same key.
#pragma once

#include <cstddef>
#include <cstdint>

namespace daxkind::cache {

enum class KeySort : uint8_t {
    kLatin1,  // A string, one byte for each UTF-16 unit. A string has this sort whenever it can.
    kUtf16,   // A string, two bytes for each unit. Lone surrogates stay what they are.
    kBytes,   // A Buffer.
};

struct Key {
    const unsigned char* data = nullptr;
    uint32_t length = 0;  // In bytes.
    KeySort sort = KeySort::kBytes;
    uint32_t hash = 0;
};

// A secret of one cache. Who does not know it cannot make keys that all have the same hash.
struct HashSeed {
    uint64_t low = 0;
    uint64_t high = 0;
    // Fills it from the kernel's random numbers. 0 or -errno.
    int open();
};

// SipHash-1-3 of the key's sort and bytes (Aumasson and Bernstein, 2012: one round for each 8 bytes and three at the
// end are what Python and Rust take for the keys of their tables).
uint32_t hashOf(const HashSeed& seed, const Key& key);

}  // namespace daxkind::cache
