// Kinds for JavaScript: create, the slow paths of malloc and free, statistics, close. The fast paths are JavaScript's
// own, on the thread cache that kindCreate hands out (heap/thread_cache.h).
#pragma once

#include <napi.h>

namespace daxkind {

Napi::Object exportKind(Napi::Env env, Napi::Object exports);

}  // namespace daxkind
