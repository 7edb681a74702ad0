// Processor features: see cpu.h.
#include "persist/cpu.h"

#include "persist/environment.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace daxkind::persist {

namespace {

struct Features {
    bool has[kFlushInstructions] = {};
    size_t cacheLine = 64;

    void add(FlushInstruction instruction) { has[static_cast<size_t>(instruction)] = true; }
};

#if defined(__x86_64__)

// Intel SDM volume 2A, CPUID: leaf 1 EDX[19] CLFSH, EBX[15:8] CLFLUSH line size in units of 8 bytes; leaf 7.0 EBX[23]
// CLFLUSHOPT, EBX[24] CLWB.
constexpr unsigned kLeaf1EdxClflush = 1u << 19;
constexpr unsigned kLeaf7EbxClflushopt = 1u << 23;
constexpr unsigned kLeaf7EbxClwb = 1u << 24;
constexpr size_t kLineSizeUnit = 8;

Features detect() {
    Features features;
    features.add(FlushInstruction::kNone);
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
    if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (edx & kLeaf1EdxClflush) != 0) {
        features.add(FlushInstruction::kClflush);
        const size_t line = ((ebx >> 8) & 0xff) * kLineSizeUnit;
        if (line != 0) features.cacheLine = line;
    }
    if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0) {
        const bool hasClflushopt = (ebx & kLeaf7EbxClflushopt) != 0 && startVariable("PMEM_NO_CLFLUSHOPT") != "1";
        const bool hasClwb = (ebx & kLeaf7EbxClwb) != 0 && startVariable("PMEM_NO_CLWB") != "1";
        if (hasClflushopt) features.add(FlushInstruction::kClflushopt);
        if (hasClwb) features.add(FlushInstruction::kClwb);
    }
    return features;
}

#elif defined(__aarch64__)

// Arm ARM D19, CTR_EL0: DminLine, bits [19:16], log2 of the words of 4 bytes in the smallest data cache line. Linux
// lets user space read it (or emulates the read).
size_t smallestDataLine() {
    unsigned long cacheType = 0;
    asm("mrs %0, ctr_el0" : "=r"(cacheType));
    return size_t{4} << ((cacheType >> 16) & 0xf);
}

Features detect() {
    Features features;
    features.add(FlushInstruction::kNone);
    features.add(FlushInstruction::kDcCvac);
    if ((getauxval(AT_HWCAP) & HWCAP_DCPOP) != 0) features.add(FlushInstruction::kDcCvap);
    features.cacheLine = smallestDataLine();
    return features;
}

#else

Features detect() {
    Features features;
    features.add(FlushInstruction::kNone);
    return features;
}

#endif

const Features& features() {
    static const Features detected = detect();
    return detected;
}

}  // namespace

const char* nameOf(FlushInstruction instruction) {
    switch (instruction) {
        case FlushInstruction::kNone:
            return "none";
        case FlushInstruction::kClflush:
            return "clflush";
        case FlushInstruction::kClflushopt:
            return "clflushopt";
        case FlushInstruction::kClwb:
            return "clwb";
        case FlushInstruction::kDcCvac:
            return "dc cvac";
        case FlushInstruction::kDcCvap:
            return "dc cvap";
    }
    return "none";
}

bool hasInstruction(FlushInstruction instruction) {
    return features().has[static_cast<size_t>(instruction)];
}

FlushInstruction bestFlushInstruction() {
    size_t best = kFlushInstructions - 1;
    while (!features().has[best]) best -= 1;
    return static_cast<FlushInstruction>(best);
}

size_t cacheLineSize() {
    return features().cacheLine;
}

}  // namespace daxkind::persist
