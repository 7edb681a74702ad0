// What JavaScript sees of a file that a walk through a tree could not deal with.
#pragma once

#include <napi.h>

#include "syscalls/tree_walk.h"

namespace daxkind {

inline Napi::Object failureObject(Napi::Env env, const syscalls::WalkFailure& failure) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("path", Napi::Buffer<char>::Copy(env, failure.path.data(), failure.path.size()));
    object.Set("errno", failure.error);
    object.Set("syscall", failure.call);
    return object;
}

}  // namespace daxkind
