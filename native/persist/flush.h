// Brings stores out of the processor's caches. flush starts to write back the lines of a range. drain waits until all
// that was flushed before has arrived where a power failure cannot reach it. For a file, only a mapping made with
// MAP_SYNC gives that promise. Any other mapping needs msync.
#pragma once

#include <cstddef>

#include "persist/cpu.h"

namespace daxkind::persist {

// Writes back every cache line that holds a byte of the range, and does not wait. It changes no byte. The processor
// must have the instruction (hasInstruction), else the process gets SIGILL. With kNone nothing happens.
void flush(const void* address, size_t length, FlushInstruction instruction);

// Waits for the flushes that this thread has made: sfence, or DSB on arm64.
void drain();

}  // namespace daxkind::persist
