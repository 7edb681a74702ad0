// How native code throws: a failed system call by the factory in lib/errors.ts, misuse with Node's codes. C++
// exceptions are off, so to throw is to leave an exception pending and return at once.
#pragma once

#include <napi.h>

#include <string>

#include "binding/addon.h"

namespace daxkind {

/// Throws a Node-shaped system error (errno, code, syscall, path). `path` may be null. Falls back to a plain Error if
/// init() was not called yet.
inline void throwSystemError(Napi::Env env, int negativeErrno, const char* call, const char* path = nullptr) {
    const Napi::FunctionReference& factory = AddonState::of(env).systemError;
    if (factory.IsEmpty()) {
        Napi::Error::New(env, std::string(call) + ": errno " + std::to_string(-negativeErrno))
            .ThrowAsJavaScriptException();
        return;
    }
    const Napi::Value where = path == nullptr ? env.Undefined() : Napi::Value(Napi::String::New(env, path));
    const Napi::Value error =
        factory.Call({Napi::Number::New(env, negativeErrno), Napi::String::New(env, call), where});
    // The factory itself failed (out of memory, the thread is terminating): its exception is the one to see.
    if (env.IsExceptionPending() || error.IsEmpty()) return;
    napi_throw(env, error);
}

/// Throws `error` with the given `code`.
inline void throwCoded(Napi::Env env, const Napi::Error& error, const char* code) {
    if (env.IsExceptionPending()) return;
    error.Value().Set("code", Napi::String::New(env, code));
    error.ThrowAsJavaScriptException();
}

}  // namespace daxkind
