// Values that native code gives in more than one place.
#pragma once

#include <napi.h>

#include <optional>

namespace daxkind {

/// A boolean, or undefined where it is not known.
inline Napi::Value optionalBoolean(Napi::Env env, std::optional<bool> value) {
    return value ? Napi::Value(Napi::Boolean::New(env, *value)) : env.Undefined();
}

}  // namespace daxkind
