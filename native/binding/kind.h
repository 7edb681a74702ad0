// Kinds for JavaScript: create, the slow paths of malloc and free, statistics, close. The fast paths are JavaScript's
// own, on the thread cache that kindCreate hands out (heap/thread_cache.h).
#pragma once

#include <napi.h>

#include "kind/making.h"

namespace daxkind {

// The arguments (directory, maxSize, conservative, sync, prefault, debug). Not an object: to read its properties fails
// in a worker that is being terminated.
PmemKindRequest takeKindRequest(const Napi::CallbackInfo& info);

Napi::Object exportKind(Napi::Env env, Napi::Object exports);

}  // namespace daxkind
