// Moves and fills: see store.h. The wide stores are inline assembly, so that one file has them all, and no -m flag lets
// the compiler use them elsewhere.
#include "persist/store.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "persist/cpu.h"
#include "persist/environment.h"
#include "persist/flush.h"

namespace daxkind::persist {

namespace {

// Below this a flush is faster.
constexpr size_t kPastCachesFrom = 512;

// A line as the wide stores write it. Lines of that length begin at multiples of it, whatever length the processor's
// cache lines have.
constexpr size_t kLine = 64;

void flushBest(const void* address, size_t length) {
    flush(address, length, bestFlushInstruction());
}

#if defined(__x86_64__)

// Each loads a whole line before it stores any of it, so that lines may overlap. The compiler does not know of ymm and
// zmm registers here; it is enough that it knows of the xmm registers in them. After the last line, vzeroupper keeps
// the SSE code that follows from waiting for the upper halves.
struct Sse {
    static void line(char* to, const char* from) {
        asm volatile(
            "movdqu (%1), %%xmm0; movdqu 16(%1), %%xmm1; movdqu 32(%1), %%xmm2; movdqu 48(%1), %%xmm3;"
            "movntdq %%xmm0, (%0); movntdq %%xmm1, 16(%0); movntdq %%xmm2, 32(%0); movntdq %%xmm3, 48(%0)"
            :
            : "r"(to), "r"(from)
            : "memory", "xmm0", "xmm1", "xmm2", "xmm3");
    }
    static void end() {}
};

struct Avx {
    static void line(char* to, const char* from) {
        asm volatile("vmovdqu (%1), %%ymm0; vmovdqu 32(%1), %%ymm1; vmovntdq %%ymm0, (%0); vmovntdq %%ymm1, 32(%0)"
                     :
                     : "r"(to), "r"(from)
                     : "memory", "xmm0", "xmm1");
    }
    static void end() { asm volatile("vzeroupper" ::: "xmm0", "xmm1"); }
};

struct Avx512 {
    static void line(char* to, const char* from) {
        asm volatile("vmovdqu64 (%1), %%zmm0; vmovntdq %%zmm0, (%0)" : : "r"(to), "r"(from) : "memory", "xmm0");
    }
    static void end() { asm volatile("vzeroupper" ::: "xmm0"); }
};

#elif defined(__aarch64__)

struct Neon {
    static void line(char* to, const char* from) {
        asm volatile("ldp q0, q1, [%1]; ldp q2, q3, [%1, #32]; stnp q0, q1, [%0]; stnp q2, q3, [%0, #32]"
                     :
                     : "r"(to), "r"(from)
                     : "memory", "v0", "v1", "v2", "v3");
        flushBest(to, kLine);
    }
    static void end() {}
};

#endif

// The wide parts of a move and of a fill, by one instruction. `to` is at a multiple of kLine.
struct LineStores {
    void (*forward)(char* to, const char* from, size_t lines);
    void (*backward)(char* to, const char* from, size_t lines);
    void (*fill)(char* to, const char* line, size_t lines);
};

template <typename Store>
constexpr LineStores storesOf() {
    return {
        [](char* to, const char* from, size_t lines) {
            for (size_t at = 0; at < lines * kLine; at += kLine) Store::line(to + at, from + at);
            Store::end();
        },
        [](char* to, const char* from, size_t lines) {
            for (size_t at = lines * kLine; at > 0; at -= kLine) Store::line(to + at - kLine, from + at - kLine);
            Store::end();
        },
        [](char* to, const char* line, size_t lines) {
            for (size_t at = 0; at < lines * kLine; at += kLine) Store::line(to + at, line);
            Store::end();
        },
    };
}

// The stores of an instruction other than kNone.
const LineStores& lineStores(WideStore store) {
#if defined(__x86_64__)
    static constexpr LineStores kSse = storesOf<Sse>();
    static constexpr LineStores kAvx = storesOf<Avx>();
    static constexpr LineStores kAvx512 = storesOf<Avx512>();
    if (store == WideStore::kVmovntdq512) return kAvx512;
    return store == WideStore::kVmovntdq256 ? kAvx : kSse;
#elif defined(__aarch64__)
    static constexpr LineStores kNeon = storesOf<Neon>();
    return kNeon;
#else
    static constexpr LineStores kNothing = {};
    return kNothing;
#endif
}

// A range in three parts, in their order: bytes before the first whole line, whole lines, bytes after the last one.
struct Parts {
    size_t head;
    size_t lines;
    size_t tail;

    Parts(const char* address, size_t length) {
        head = std::min<size_t>(-reinterpret_cast<uintptr_t>(address) % kLine, length);
        lines = (length - head) / kLine;
        tail = length - head - lines * kLine;
    }
};

void movePart(char* to, const char* from, size_t length) {
    if (length == 0) return;
    std::memmove(to, from, length);
    flushBest(to, length);
}

void movePastCaches(char* to, const char* from, size_t length, WideStore store) {
    const Parts parts(to, length);
    const LineStores& stores = lineStores(store);
    const size_t tailAt = length - parts.tail;
    const bool isBackward = from < to && to < from + length;
    if (isBackward) {
        movePart(to + tailAt, from + tailAt, parts.tail);
        stores.backward(to + parts.head, from + parts.head, parts.lines);
        movePart(to, from, parts.head);
    } else {
        movePart(to, from, parts.head);
        stores.forward(to + parts.head, from + parts.head, parts.lines);
        movePart(to + tailAt, from + tailAt, parts.tail);
    }
}

void fillPart(char* to, unsigned char value, size_t length) {
    if (length == 0) return;
    std::memset(to, value, length);
    flushBest(to, length);
}

void fillPastCaches(char* to, unsigned char value, size_t length, WideStore store) {
    const Parts parts(to, length);
    alignas(kLine) char line[kLine];
    std::memset(line, value, kLine);
    fillPart(to, value, parts.head);
    lineStores(store).fill(to + parts.head, line, parts.lines);
    fillPart(to + length - parts.tail, value, parts.tail);
}

}  // namespace

bool hasWideStore(WideStore store) {
    if (store == WideStore::kNone) return true;
#if defined(__x86_64__)
    static const bool hasAny = startVariable("PMEM_NO_MOVNT") != "1";
    // These ask whether the kernel saves the registers, too.
    static const bool hasAvx = hasAny && __builtin_cpu_supports("avx") != 0 && startVariable("PMEM_AVX") != "0";
    static const bool hasAvx512 =
        hasAny && __builtin_cpu_supports("avx512f") != 0 && startVariable("PMEM_AVX512F") != "0";
    switch (store) {
        case WideStore::kMovntdq:
            return hasAny;
        case WideStore::kVmovntdq256:
            return hasAvx;
        case WideStore::kVmovntdq512:
            return hasAvx512;
        default:
            return false;
    }
#elif defined(__aarch64__)
    return store == WideStore::kStnp;
#else
    return false;
#endif
}

WideStore bestWideStore() {
    static const WideStore best = [] {
        size_t index = kWideStores - 1;
        while (!hasWideStore(static_cast<WideStore>(index))) index -= 1;
        return static_cast<WideStore>(index);
    }();
    return best;
}

size_t pastCachesFrom() {
    static const size_t from = [] {
        const std::string given = startVariable("PMEM_MOVNT_THRESHOLD");
        char* end = nullptr;
        const long long number = std::strtoll(given.c_str(), &end, 10);
        // As in libpmem2, what is no number, or is negative, does not count.
        return given.empty() || number < 0 || *end != '\0' ? kPastCachesFrom : static_cast<size_t>(number);
    }();
    return from;
}

void move(void* to, const void* from, size_t length, Way way, WideStore store) {
    if (length == 0) return;  // an empty source may be null, which memmove must not be given
    if (way == Way::kPastCaches && store != WideStore::kNone) {
        movePastCaches(static_cast<char*>(to), static_cast<const char*>(from), length, store);
        return;
    }
    std::memmove(to, from, length);
    if (way != Way::kCached) flushBest(to, length);
}

void fill(void* to, unsigned char value, size_t length, Way way, WideStore store) {
    if (length == 0) return;
    if (way == Way::kPastCaches && store != WideStore::kNone) {
        fillPastCaches(static_cast<char*>(to), value, length, store);
        return;
    }
    std::memset(to, value, length);
    if (way != Way::kCached) flushBest(to, length);
}

}  // namespace daxkind::persist
