#include "heap/size_classes.h"

#include <algorithm>

namespace daxkind {

uint32_t classOf(uint32_t size) {
    if (size <= 256) return size == 0 ? 0 : (size - 1) / kSizeQuantum;
    // First the doubling that `size` falls into, then the eighth of that doubling.
    const uint32_t doubling = 31 - static_cast<uint32_t>(__builtin_clz(size - 1)) - 8;
    const uint32_t base = 256u << doubling;
    return 16 + doubling * 8 + (size - 1 - base) / (base / 8);
}

SlabShape slabShape(uint32_t index, uint32_t unitShift) {
    constexpr uint32_t kLeastBytes = 16 * 1024;
    constexpr uint32_t kLeastSlots = 8;
    const uint32_t size = classSize(index);
    const uint32_t unit = 1u << unitShift;
    const uint32_t least = (std::max(kLeastBytes, kLeastSlots * size) + unit - 1) / unit;
    SlabShape best{0, 0};
    uint64_t bestWaste = 0;
    for (uint32_t units = least; units <= 2 * least; units++) {
        const uint32_t slots = std::min(units * unit / size, kMaxSlots);
        const uint64_t waste = static_cast<uint64_t>(units) * unit - static_cast<uint64_t>(slots) * size;
        // Compares waste / units without dividing.
        if (best.units == 0 || waste * best.units < bestWaste * units) {
            best = {units, slots};
            bestWaste = waste;
        }
    }
    return best;
}

}  // namespace daxkind
