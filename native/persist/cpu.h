// What this processor can do to bring a store out of its caches, found at run time: one binary serves every processor.
#pragma once

#include <cstddef>

namespace daxkind::persist {

/// The instructions that write a cache line back to memory, from the worst to the best of each architecture.
enum class FlushInstruction {
    /// None usable: only msync persists.
    none,
    /// x86: writes back, evicts, and waits for the one before it.
    clflush,
    /// x86: writes back and evicts, unordered until the next fence.
    clflushopt,
    /// x86: writes back and may keep the line, unordered until the next fence.
    clwb,
    /// arm64: cleans the line to the point of coherency.
    dccvac,
    /// arm64: cleans the line to the point of persistence (FEAT_DPB).
    dccvap,
};

/// How many values FlushInstruction has.
inline constexpr std::size_t flushInstructionCount = 6;

/// The name of the instruction as the architecture's manual spells it, in lower case ("clwb", "dc cvap"); "none".
const char* nameOf(FlushInstruction instruction);

/// Whether this processor has the instruction. `none` is always there.
bool hasInstruction(FlushInstruction instruction);

/// The best instruction this processor has. Decided once.
FlushInstruction bestFlushInstruction();

/// Bytes that one flush instruction writes back, at least; the stride of a flush.
std::size_t cacheLineSize();

}  // namespace daxkind::persist
