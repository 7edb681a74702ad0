// What this processor can do to bring a store out of its caches, found at run time: one binary serves every processor.
#pragma once

#include <cstddef>

namespace daxkind::persist {

// The instructions that write a cache line back to memory, from the worst to the best of each architecture.
enum class FlushInstruction {
    // None usable: only msync persists.
    kNone,
    // x86: writes back, evicts, and waits for the one before it.
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

// The name of the instruction as the architecture's manual spells it, in lower case ("clwb", "dc cvap"); "none".
const char* nameOf(FlushInstruction instruction);

// Whether this processor has the instruction. kNone is always there.
bool hasInstruction(FlushInstruction instruction);

// The best instruction this processor has. Decided once.
FlushInstruction bestFlushInstruction();

// Bytes that one flush instruction writes back, at least; the stride of a flush.
size_t cacheLineSize();

}  // namespace daxkind::persist
