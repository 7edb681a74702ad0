// Bringing stores out of the processor's caches: flush starts the write-back of a range's lines, drain waits until all
// that was flushed before it has arrived where a power failure cannot reach it. Only a mapping made with MAP_SYNC gives
// that promise for a file; any other needs msync.
#pragma once

#include <cstddef>

#include "persist/cpu.h"

namespace daxkind::persist {

// Writes back every cache line that holds a byte of the range, without waiting. Changes no byte. The instruction must
// be one this processor has (hasInstruction), else the process gets SIGILL; with kNone nothing happens.
void flush(const void* address, size_t length, FlushInstruction instruction);

// Waits for the flushes that this thread has made: sfence, or DSB on arm64.
void drain();

}  // namespace daxkind::persist
