// Stores of many bytes that are to be persistent: what memmove and memset do, and then the way out of the caches. They
// are like libpmem2's memmove and memset.
//
// A store past the caches writes whole lines only. The parts of lines at the two ends of a range are stored in the
// ordinary way and flushed. So no byte beside the range is written.
#pragma once

#include <cstddef>

namespace daxkind::persist {

// How stores get to the medium. Nothing is persistent before this thread's next drain().
enum class Way {
    // Ordinary stores, and nobody flushes them.
    kCached,
    // Ordinary stores, and a flush of their lines. The lines may stay in the cache, where they are fast to read.
    kFlushed,
    // Non-temporal stores. Those of arm64 are only a hint, so a flush follows.
    kPastCaches,
};

// The instructions that write past the caches, from the worst to the best of each architecture.
enum class WideStore {
    // There is none: kPastCaches is kFlushed.
    kNone,
    // x86: movntdq of 16, 32 and 64 bytes (SSE2, AVX, AVX-512F).
    kMovntdq,
    kVmovntdq256,
    kVmovntdq512,
    // arm64: stnp of two NEON registers.
    kStnp,
};

constexpr size_t kWideStores = 5;

// Whether this processor has the instruction. kNone is always there. PMEM_AVX512F=0, PMEM_AVX=0 and PMEM_NO_MOVNT=1 in
// the environment keep the wider ones, or all, from being found.
bool hasWideStore(WideStore store);

// The best one that this processor has. It is decided once.
WideStore bestWideStore();

// The length in bytes from which kPastCaches is faster than kFlushed, as measured (docs/performance.md), or
// PMEM_MOVNT_THRESHOLD of the environment.
size_t pastCachesFrom();

// memmove. The ranges may overlap. The processor must have the instruction.
void move(void* to, const void* from, size_t length, Way way, WideStore store = bestWideStore());

// memset.
void fill(void* to, unsigned char value, size_t length, Way way, WideStore store = bestWideStore());

}  // namespace daxkind::persist
