// The kernel's constants as JavaScript sees them.
#pragma once

#include <napi.h>

namespace daxkind {

// An object that maps each constant's name in the kernel's headers to its value: numbers, but BigInts for the
// STATX_ATTR_ bits, which belong to a 64-bit mask.
Napi::Object kernelConstants(Napi::Env env);

}  // namespace daxkind
