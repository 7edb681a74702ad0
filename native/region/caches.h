// Whether the processor's data caches go by virtual addresses. Then one place of memory can be in them twice, under two
// addresses. The kernel's document says that DAX does not work correctly there (filesystems/dax.rst, "Shortcomings").
#pragma once

namespace daxkind {

// True for the architectures that select ARCH_HAS_CPU_CACHE_ALIASING in Linux 6.9, whatever the processor at hand is.
// No kernel of today has DAX on one of them: CONFIG_FS_DAX excluded arm, mips and sparc before, and none of them has
// ZONE_DEVICE.
#if defined(__arc__) || defined(__arm__) || defined(__csky__) || defined(__m68k__) || defined(__mips__) || \
    defined(__nios2__) || defined(__hppa__) || defined(__sh__) || defined(__sparc__) || defined(__xtensa__)
constexpr bool kCachesMayAlias = true;
#else
constexpr bool kCachesMayAlias = false;
#endif

}  // namespace daxkind
