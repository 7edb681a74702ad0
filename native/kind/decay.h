// The threads that give the storage of freed memory back: fallocate takes milliseconds, and for ever where a page is
// pinned, so that no thread which allocates makes such a call.
//
// Each of them waits for the first heap that is due, and calls it. One that calls leaves another one waiting, so that a
// call which does not return holds up no other heap. Threads that nobody needs end by themselves. They hold a heap's
// owner only while they call it, and nothing waits for them when the process ends.
#pragma once

#include <cstdint>
#include <memory>

#include "heap/heap.h"

namespace daxkind {

// Has decay() called for the heap whenever it has something to do. `heap` is an alias of what keeps the region, too.
// Called before anybody allocates from it. Returns a number for the call below.
uint64_t startDecay(const std::shared_ptr<Heap>& heap);

// The heap is not called from now on. `isAwaited`: nor does any of the threads hold it, unless it is stuck in a call
// for more than some milliseconds; it lets go of it afterwards, then.
void endDecay(uint64_t number, bool isAwaited);

}  // namespace daxkind
