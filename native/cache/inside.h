// What the parts of a cache share: cache.cc, finding.cc, removing.cc and storing.cc.
#pragma once

#include <time.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cache/cache.h"

namespace daxkind::cache {

// A time that never comes.
constexpr uint64_t kNever = UINT64_MAX;

// Does not go back, and stands still while the machine sleeps.
inline uint64_t nowMs() {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1'000'000;
}

// How many entries are removed without letting go of the locks, and how many bytes of their keys are copied at most,
// beside those of one key.
constexpr size_t kBatch = 64;
constexpr size_t kBatchKeyBytes = 65536;

// What an entry's block begins with. The key follows.
struct Cache::Header {
    uint64_t freshUntil;  // nowMs(), or kNever.
    uint64_t until;
    uint32_t keyLength;
    uint32_t valueLength;
    KeySort sort;
    uint8_t encoding;
    uint8_t unused[6];
};

// What is left to do when the locks have been let go.
struct Cache::Removed {
    struct Block {
        uint32_t code;
        uint64_t offset;
    };
    Block blocks[kBatch];
    size_t count = 0;
    size_t taken = 0;  // Entries, with those that are pinned and have no block to free.
    size_t keyBytes = 0;
    std::vector<RemovedEntry> entries;
    bool isFull() const { return taken >= kBatch - 1 || keyBytes >= kBatchKeyBytes; }
};

inline uint64_t Cache::valueAt(uint32_t keyLength) {
    static_assert(sizeof(Header) == 32);
    return (sizeof(Header) + keyLength + kSizeQuantum - 1) & ~uint64_t{kSizeQuantum - 1};
}

inline Cache::Header* Cache::headerOf(const Entry& entry) const {
    return reinterpret_cast<Header*>(blocks_.base() + offsetOf(entry));
}

inline void Cache::notePinned(const Entry& entry, bool isPinned) {
    // All that are shorter would hardly matter, and short ones are pinned often.
    if (entry.code < kRunCode) return;
    if (isPinned)
        pinnedBytes_ += bytesOf(entry);
    else
        pinnedBytes_ -= bytesOf(entry);
}

inline const Cache::Header* Cache::wholeHeader(const Entry& entry) const {
    const Header* const header = headerOf(entry);
    const uint32_t keyLength = header->keyLength;
    const uint32_t valueLength = header->valueLength;
    // Asked after the first look at the memory, because that is when a page is found to be lost. Zeros have taken its
    // place then.
    if (isLost(entry)) return nullptr;
    if (keyLength > kMostKeyBytes || valueAt(keyLength) + valueLength > bytesOf(entry)) return nullptr;
    return header;
}

}  // namespace daxkind::cache
