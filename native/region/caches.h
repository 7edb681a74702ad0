// Whether the processor's data caches go by virtual addresses, so that one place of memory can be in them twice, under
// two addresses: the kernel's document says that DAX does not work correctly there (filesystems/dax.rst,
// "Shortcomings").
#pragma once

namespace daxkind {

// The architectures that select ARCH_HAS_CPU_CACHE_ALIASING in Linux 6.9, whatever the processor at hand is like. None
// of them has DAX in the kernel today: CONFIG_FS_DAX excluded arm, mips and sparc before, and none has ZONE_DEVICE.
#if defined(__arc__) || defined(__arm__) || defined(__csky__) || defined(__m68k__) || defined(__mips__) || \
    defined(__nios2__) || defined(__hppa__) || defined(__sh__) || defined(__sparc__) || defined(__xtensa__)
constexpr bool kCachesMayAlias = true;
#else
constexpr bool kCachesMayAlias = false;
#endif

}  // namespace daxkind
