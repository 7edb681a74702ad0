// Where large regions are mapped. The kernel maps everything directly below what is there, so that each range of which
// the first part stays (scripts have seen it) costs as many addresses as it was long: 128 regions of 1 TiB that were
// closed in one turn of the event loop would be all that a process can have. Here one region lies above the other, far
// from the kernel's choices, and what one leaves free above its first part is where the next one begins.
//
// All calls may be made from any thread.
#pragma once

#include <cstdint>

namespace daxkind {

// Where the next region is to be tried; nothing else need be free there.
void* nextPlace();
// A region was mapped there, at nextPlace() or elsewhere.
void tookPlace(void* at, uint64_t length);
// The region of this range keeps only what lies before `keptUntil`.
void leftPlace(void* at, uint64_t length, void* keptUntil);

}  // namespace daxkind
