// Unpacking arguments. The facade in lib/ has checked them already, with better words; these checks are what keeps a
// wrong value from becoming undefined behaviour when someone calls the native functions without it. Each take… returns
// no value with an exception pending if the argument does not fit.
#pragma once

#include <napi.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "binding/errors.h"

namespace daxkind {

/// 2^53 - 1, Number.MAX_SAFE_INTEGER: above it a JavaScript number is no exact integer.
inline constexpr double largestExactInteger = 9007199254740991.0;

/// Throws TypeError ERR_INVALID_ARG_TYPE and gives undefined, for `return invalidArgType(…)`.
inline Napi::Value invalidArgType(Napi::Env env, const char* name, const char* expected) {
    throwCoded(env, Napi::TypeError::New(env, std::string("The \"") + name + "\" argument must be " + expected + "."),
               "ERR_INVALID_ARG_TYPE");
    return env.Undefined();
}

/// Throws RangeError ERR_OUT_OF_RANGE and gives undefined.
inline Napi::Value outOfRange(Napi::Env env, const char* name, const char* expected) {
    throwCoded(env,
               Napi::RangeError::New(
                   env, std::string("The value of \"") + name + "\" is out of range. It must be " + expected + "."),
               "ERR_OUT_OF_RANGE");
    return env.Undefined();
}

/// A path as the kernel takes it: a string without null characters.
inline std::optional<std::string> takePath(const Napi::CallbackInfo& info, std::size_t index, const char* name) {
    const Napi::Value value = info[index];
    if (!value.IsString()) {
        invalidArgType(info.Env(), name, "of type string");
        return std::nullopt;
    }
    std::string path = value.As<Napi::String>().Utf8Value();
    if (path.find('\0') != std::string::npos) {
        throwCoded(info.Env(),
                   Napi::TypeError::New(
                       info.Env(), std::string("The argument '") + name + "' must be a string without null bytes."),
                   "ERR_INVALID_ARG_VALUE");
        return std::nullopt;
    }
    return path;
}

/// A path for messages only, or undefined.
inline std::optional<std::string> takeOptionalPath(const Napi::CallbackInfo& info, std::size_t index) {
    const Napi::Value value = info[index];
    if (!value.IsString()) return std::nullopt;
    return value.As<Napi::String>().Utf8Value();
}

/// An exact integer from 0 to `largest`.
inline std::optional<std::uint64_t> takeInteger(const Napi::CallbackInfo& info, std::size_t index, const char* name,
                                                double largest = largestExactInteger) {
    const Napi::Value value = info[index];
    if (!value.IsNumber()) {
        invalidArgType(info.Env(), name, "of type number");
        return std::nullopt;
    }
    const double number = value.As<Napi::Number>().DoubleValue();
    // NaN fails the first comparison.
    if (!(number >= 0 && number <= largest) || std::floor(number) != number) {
        outOfRange(info.Env(), name,
                   ("an integer >= 0 and <= " + std::to_string(static_cast<std::uint64_t>(largest))).c_str());
        return std::nullopt;
    }
    return static_cast<std::uint64_t>(number);
}

/// An unsigned 32-bit integer.
inline std::optional<std::uint32_t> takeUint32(const Napi::CallbackInfo& info, std::size_t index, const char* name) {
    const auto number = takeInteger(info, index, name, std::numeric_limits<std::uint32_t>::max());
    if (!number) return std::nullopt;
    return static_cast<std::uint32_t>(*number);
}

/// A file descriptor.
inline std::optional<int> takeDescriptor(const Napi::CallbackInfo& info, std::size_t index, const char* name = "fd") {
    const auto number = takeInteger(info, index, name, std::numeric_limits<int>::max());
    if (!number) return std::nullopt;
    return static_cast<int>(*number);
}

/// A range of an open file: three arguments from `index` on, a descriptor, and an offset and a length in bytes.
struct DescriptorRange {
    int fd;
    std::uint64_t offset;
    std::uint64_t length;
};

inline std::optional<DescriptorRange> takeDescriptorRange(const Napi::CallbackInfo& info, std::size_t index) {
    const auto fd = takeDescriptor(info, index);
    if (!fd) return std::nullopt;
    const auto offset = takeInteger(info, index + 1, "offset");
    if (!offset) return std::nullopt;
    const auto length = takeInteger(info, index + 2, "length");
    if (!length) return std::nullopt;
    return DescriptorRange{*fd, *offset, *length};
}

inline std::optional<bool> takeBoolean(const Napi::CallbackInfo& info, std::size_t index, const char* name) {
    const Napi::Value value = info[index];
    if (!value.IsBoolean()) {
        invalidArgType(info.Env(), name, "of type boolean");
        return std::nullopt;
    }
    return value.As<Napi::Boolean>().Value();
}

}  // namespace daxkind
