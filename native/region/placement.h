// Where large regions are mapped. The kernel maps everything directly below what is there. When a region is closed, its
// first part stays mapped, because scripts have seen it. So each region would cost as many addresses as it was long:
// 128 regions of 1 TiB, closed in one turn of the event loop, would be all that a process can have. Here each region
// lies above the one before, far from the kernel's choices. When a region keeps only its first part, the next one
// begins right behind that part.
//
// All calls may be made from any thread.
#pragma once

#include <cstdint>

namespace daxkind {

// Where the next region is to be tried. These addresses are not reserved, and may not be free.
void* nextPlace();
// A region was mapped there, at nextPlace() or elsewhere.
void tookPlace(void* at, uint64_t length);
// The region of this range keeps only what lies before `keptUntil`.
void leftPlace(void* at, uint64_t length, void* keptUntil);

}  // namespace daxkind
