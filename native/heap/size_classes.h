// The size classes of small blocks, and the shape of the slabs that hold them.
//
// Blocks up to kMaxSlabSize bytes are rounded up to a class. There is a class every 16 bytes up to 256, then eight
// classes for each doubling. So at most 1/8 of a block above 256 bytes is lost, 1/16 on average. Larger blocks are runs
// of units and belong to no class. JavaScript gets these tables through the binding, so nothing is computed twice.
#pragma once

#include <cstdint>

namespace daxkind {

constexpr uint32_t kSizeQuantum = 16;
constexpr uint32_t kSlabClasses = 56;
constexpr uint32_t kMaxSlabSize = 8192;
// The most bits in a slab's bitmap: 1,024 blocks of 16 bytes make a slab of 16 KiB.
constexpr uint32_t kMaxSlots = 1024;

// Bytes of a block of class `index` (0 to kSlabClasses - 1).
constexpr uint32_t classSize(uint32_t index) {
    if (index < 16) return kSizeQuantum * (index + 1);
    const uint32_t base = 256u << ((index - 16) / 8);
    return base + ((index - 16) % 8 + 1) * (base / 8);
}
static_assert(classSize(kSlabClasses - 1) == kMaxSlabSize);

// The smallest class that holds `size` bytes, 1 to kMaxSlabSize.
uint32_t classOf(uint32_t size);

struct SlabShape {
    uint32_t units;  // Length of the slab in units.
    uint32_t slots;  // Blocks in it.
};

// The slab of a class has at least eight blocks and 16 KiB, and the length that loses least at its end.
SlabShape slabShape(uint32_t index, uint32_t unitShift);

}  // namespace daxkind
