// The kernel's constants as JavaScript sees them.
#pragma once

#include <napi.h>

namespace daxkind {

// An object that maps each constant's name in the kernel's headers to its value. The values are numbers, except the
// STATX_ATTR_ bits: those are BigInts, because they belong to a 64-bit mask.
Napi::Object kernelConstants(Napi::Env env);

}  // namespace daxkind
