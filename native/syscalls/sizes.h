// Sizes in bytes.
#pragma once

#include <cstdint>

namespace daxkind {

constexpr uint64_t kKiB = 1024;
constexpr uint64_t kMiB = 1024 * kKiB;
constexpr uint64_t kGiB = 1024 * kMiB;

// What one PMD entry maps on x86-64, and on arm64 with 4 KiB pages. Where addresses, offsets and lengths are multiples
// of it, the kernel can map DAX pages by huge entries.
constexpr uint64_t kHugePageSize = 2 * kMiB;

}  // namespace daxkind
