// How native code throws: the factory in lib/errors.ts makes the error of a failed system call, and misuse gets Node's
// codes. C++ exceptions are off. To throw means to leave an exception pending and to return at once. Each of these
// functions gives undefined, so that callers write `return throw…(…)`. An exception that is pending already stays.
#pragma once

#include <napi.h>

#include <string>

#include "binding/addon.h"

namespace daxkind {

// Throws a Node-shaped system error (errno, code, syscall, path). `path` may be null. It is a plain Error if init() was
// not called yet.
inline napi_value throwSystemError(Napi::Env env, int negativeErrno, const char* call, const char* path = nullptr) {
    const Napi::FunctionReference& factory = AddonState::of(env).systemError;
    if (factory.IsEmpty()) {
        Napi::Error::New(env, std::string(call) + ": errno " + std::to_string(-negativeErrno))
            .ThrowAsJavaScriptException();
        return nullptr;
    }
    const Napi::Value where = path == nullptr ? env.Undefined() : Napi::Value(Napi::String::New(env, path));
    const Napi::Value error =
        factory.Call({Napi::Number::New(env, negativeErrno), Napi::String::New(env, call), where});
    // The factory itself failed (no memory, or the thread is terminating): its exception is the one to show.
    if (env.IsExceptionPending() || error.IsEmpty()) return nullptr;
    napi_throw(env, error);
    return nullptr;
}

inline napi_value throwInvalidArgType(napi_env env, const char* name, const char* expected) {
    const std::string message = std::string("The \"") + name + "\" argument must be " + expected + ".";
    napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", message.c_str());
    return nullptr;
}

inline napi_value throwInvalidArgValue(napi_env env, const char* name, const char* what) {
    const std::string message = std::string("The argument '") + name + "' " + what + ".";
    napi_throw_type_error(env, "ERR_INVALID_ARG_VALUE", message.c_str());
    return nullptr;
}

inline napi_value throwOutOfRange(napi_env env, const char* name, const std::string& expected) {
    const std::string message =
        std::string("The value of \"") + name + "\" is out of range. It must be " + expected + ".";
    napi_throw_range_error(env, "ERR_OUT_OF_RANGE", message.c_str());
    return nullptr;
}

inline napi_value throwInvalidState(napi_env env, const char* what) {
    napi_throw_error(env, "ERR_INVALID_STATE", (std::string("Invalid state: ") + what).c_str());
    return nullptr;
}

}  // namespace daxkind
