// See call.h.
#include "binding/call.h"

#include "binding/errors.h"

namespace daxkind {

napi_value Call::nextUnlessUndefined() {
    const napi_value value = next();
    napi_valuetype type;
    return napi_typeof(env_, value, &type) == napi_ok && type == napi_undefined ? nullptr : value;
}

void Call::refuseType(const char* name, const char* expected) {
    isRefused_ = true;
    throwInvalidArgType(env_, name, expected);
}

void Call::refuseInteger(napi_status status, const char* name, int64_t least, int64_t most) {
    if (status != napi_ok) return refuseType(name, "of type number");
    refuseRange(name, "an integer >= " + std::to_string(least) + " and <= " + std::to_string(most));
}

void Call::refuseRange(const char* name, const std::string& expected) {
    isRefused_ = true;
    throwOutOfRange(env_, name, expected);
}

DescriptorRange Call::descriptorRange() {
    DescriptorRange range;
    range.fd = descriptor("fd");
    range.offset = uint64("offset");
    range.length = uint64("length");
    return range;
}

double Call::fraction(const char* name) {
    if (isRefused_) return 0;
    double number = 0;
    if (napi_get_value_double(env_, next(), &number) != napi_ok) {
        refuseType(name, "of type number");
    } else if (!(number >= 0 && number <= 1)) {
        refuseRange(name, "a number >= 0 and <= 1");
    }
    return isRefused_ ? 0 : number;
}

std::optional<double> Call::anyNumber() {
    double number = 0;
    if (isRefused_ || napi_get_value_double(env_, next(), &number) != napi_ok) return std::nullopt;
    return number;
}

bool Call::booleanOf(napi_value value, const char* name) {
    bool boolean = false;
    if (napi_get_value_bool(env_, value, &boolean) != napi_ok) refuseType(name, "of type boolean");
    return boolean;
}

bool Call::boolean(const char* name) {
    return !isRefused_ && booleanOf(next(), name);
}

bool Call::optionalBoolean(const char* name) {
    if (isRefused_) return false;
    const napi_value value = nextUnlessUndefined();
    return value != nullptr && booleanOf(value, name);
}

std::string Call::stringOf(napi_value value, const char* name) {
    size_t length = 0;
    if (napi_get_value_string_utf8(env_, value, nullptr, 0, &length) != napi_ok) {
        refuseType(name, "of type string");
        return {};
    }
    std::string string(length, '\0');
    // This writes a null character behind the last one, where a std::string has its own.
    napi_get_value_string_utf8(env_, value, string.data(), length + 1, &length);
    return string;
}

std::string Call::pathOf(napi_value value, const char* name) {
    std::string path = stringOf(value, name);
    if (path.find('\0') == std::string::npos) return path;
    isRefused_ = true;
    throwInvalidArgValue(env_, name, "must be a string without null bytes");
    return {};
}

std::string Call::path(const char* name) {
    return isRefused_ ? std::string() : pathOf(next(), name);
}

std::optional<std::string> Call::optionalPath(const char* name) {
    if (isRefused_) return std::nullopt;
    const napi_value value = nextUnlessUndefined();
    if (value == nullptr) return std::nullopt;
    return pathOf(value, name);
}

std::string Call::string(const char* name) {
    return isRefused_ ? std::string() : stringOf(next(), name);
}

std::optional<std::string> Call::optionalString(const char* name) {
    if (isRefused_) return std::nullopt;
    const napi_value value = nextUnlessUndefined();
    if (value == nullptr) return std::nullopt;
    return stringOf(value, name);
}

void* Call::typedArray(const char* name, napi_typedarray_type wanted, const char* expected, size_t* length) {
    if (isRefused_) return nullptr;
    napi_typedarray_type type = napi_int8_array;
    void* data = nullptr;
    const napi_status status = napi_get_typedarray_info(env_, next(), &type, length, &data, nullptr, nullptr);
    if (status == napi_ok && type == wanted) return data;
    refuseType(name, expected);
    *length = 0;
    return nullptr;
}

ByteView Call::bytes(const char* name) {
    size_t length = 0;
    void* const data = typedArray(name, napi_uint8_array, "an instance of Uint8Array", &length);
    return {static_cast<unsigned char*>(data), length};
}

Doubles Call::doubles(const char* name) {
    size_t length = 0;
    const void* const data = typedArray(name, napi_float64_array, "an instance of Float64Array", &length);
    return {static_cast<const double*>(data), length};
}

napi_value Call::arrayBufferOf(napi_value value, const char* name) {
    bool is = false;
    if (napi_is_arraybuffer(env_, value, &is) == napi_ok && is) return value;
    refuseType(name, "an instance of ArrayBuffer");
    return nullptr;
}

napi_value Call::arrayBuffer(const char* name) {
    return isRefused_ ? nullptr : arrayBufferOf(next(), name);
}

napi_value Call::optionalArrayBuffer(const char* name) {
    if (isRefused_) return nullptr;
    const napi_value value = nextUnlessUndefined();
    return value == nullptr ? nullptr : arrayBufferOf(value, name);
}

napi_value Call::object(const char* name) {
    if (isRefused_) return nullptr;
    const napi_value value = next();
    napi_valuetype type = napi_undefined;
    if (napi_typeof(env_, value, &type) == napi_ok && (type == napi_object || type == napi_function)) return value;
    refuseType(name, "an object");
    return nullptr;
}

napi_value Call::function(const char* name) {
    if (isRefused_) return nullptr;
    const napi_value value = next();
    napi_valuetype type = napi_undefined;
    if (napi_typeof(env_, value, &type) == napi_ok && type == napi_function) return value;
    refuseType(name, "a function");
    return nullptr;
}

}  // namespace daxkind
