// What this processor can do to bring a store out of its caches. It is found at run time, so that one binary serves
// every processor. PMEM_NO_CLWB=1 and PMEM_NO_CLFLUSHOPT=1 in the environment keep these two from being found.
#pragma once

#include <cstddef>

namespace daxkind::persist {

// The instructions that write a cache line back to memory, from the worst to the best of each architecture.
enum class FlushInstruction {
    // There is no usable instruction: only msync makes data persistent.
    kNone,
    // x86: writes back, evicts, and waits for the clflush before it.
    kClflush,
    // x86: writes back and evicts, unordered until the next fence.
    kClflushopt,
    // x86: writes back and may keep the line, unordered until the next fence.
    kClwb,
    // arm64: cleans the line to the point of coherency.
    kDcCvac,
    // arm64: cleans the line to the point of persistence (FEAT_DPB).
    kDcCvap,
};

// How many values FlushInstruction has.
constexpr size_t kFlushInstructions = 6;

// The name of the instruction as the architecture's manual spells it, in lower case ("clwb", "dc cvap"), or "none".
const char* nameOf(FlushInstruction instruction);

// Whether this processor has the instruction. kNone is always there.
bool hasInstruction(FlushInstruction instruction);

// The best instruction that this processor has. It is decided once.
FlushInstruction bestFlushInstruction();

// How many bytes one flush instruction writes back at least. This is the stride of a flush.
size_t cacheLineSize();

}  // namespace daxkind::persist
