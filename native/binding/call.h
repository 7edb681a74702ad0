// A call of an export by JavaScript: its arguments, which are fetched at once and checked one after the other.
//
// The facade in lib/ has checked them before, with better messages. The checks here keep a wrong value from becoming
// undefined behaviour when somebody calls the native functions without the facade. A value that does not fit is
// refused: an exception is pending then, and all later arguments are given as 0, null or empty without a look at them.
// So an export takes all of its arguments in their order, then asks isRefused(), and returns at once if it is true:
//
//     Call call(env, info, 2);
//     const std::string path = call.path("path");
//     const bool writable = call.boolean("writable");
//     if (call.isRefused()) return nullptr;
//
// The names are for the message. A script may make calls on a kind's memory a million times a second, so a value that
// fits costs one call of Node-API.
#pragma once

#include <node_api.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>

namespace daxkind {

// 2^53 - 1, Number.MAX_SAFE_INTEGER. A larger JavaScript number is not an exact integer.
constexpr int64_t kLargestExactInteger = 9007199254740991;

// The bytes of a Buffer, or another Uint8Array.
struct ByteView {
    unsigned char* data = nullptr;
    size_t length = 0;
};

// The numbers of a Float64Array.
struct Doubles {
    const double* data = nullptr;
    size_t length = 0;
};

// A range of an open file, in bytes.
struct DescriptorRange {
    int fd = -1;
    uint64_t offset = 0;
    uint64_t length = 0;
};

class Call {
  public:
    // `count` is how many arguments are taken. Those that the caller leaves out are undefined.
    Call(napi_env env, napi_callback_info info, size_t count) : env_(env), count_(count) {
        size_t fetched = count;
        if (napi_get_cb_info(env, info, &fetched, values_, nullptr, &data_) != napi_ok) count_ = 0;
    }
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

    bool isRefused() const { return isRefused_; }

    // An integer from `least` to `most`. Both limits must be exact as a double.
    int64_t integer(const char* name, int64_t least = 0, int64_t most = kLargestExactInteger) {
        if (isRefused_) return 0;
        const napi_value value = next();
        double number = 0;
        const napi_status status = napi_get_value_double(env_, value, &number);
        // NaN fails the comparison.
        if (status == napi_ok && number >= static_cast<double>(least) && number <= static_cast<double>(most)) {
            const int64_t integer = static_cast<int64_t>(number);
            if (static_cast<double>(integer) == number) return integer;
        }
        refuseInteger(status, name, least, most);
        return 0;
    }
    uint64_t uint64(const char* name) { return static_cast<uint64_t>(integer(name)); }
    uint32_t uint32(const char* name) {
        return static_cast<uint32_t>(integer(name, 0, std::numeric_limits<uint32_t>::max()));
    }
    // A file descriptor; -1 if it is refused.
    int descriptor(const char* name) {
        const auto fd = static_cast<int>(integer(name, 0, std::numeric_limits<int>::max()));
        return isRefused_ ? -1 : fd;
    }
    // Three arguments: a descriptor, an offset and a length.
    DescriptorRange descriptorRange();
    // From 0 to 1.
    double fraction(const char* name);
    // Nothing if the value is not a number. It never refuses.
    std::optional<double> anyNumber();

    bool boolean(const char* name);
    // False if it is undefined.
    bool optionalBoolean(const char* name);

    // A path as the kernel takes it: a string without null characters.
    std::string path(const char* name);
    // Nothing if it is undefined.
    std::optional<std::string> optionalPath(const char* name);
    // Any string.
    std::string string(const char* name);
    std::optional<std::string> optionalString(const char* name);

    ByteView bytes(const char* name);
    Doubles doubles(const char* name);
    napi_value arrayBuffer(const char* name);
    // Null if it is undefined.
    napi_value optionalArrayBuffer(const char* name);
    // Takes an object or a function.
    napi_value object(const char* name);
    napi_value function(const char* name);

  protected:
    // The next argument, as it is. Null if there are no more.
    napi_value next() { return at_ < count_ ? values_[at_++] : nullptr; }
    napi_env env() const { return env_; }
    // These refuse the value that was taken last.
    void refuseRange(const char* name, const std::string& expected);
    void refuseType(const char* name, const char* expected);
    // The data of the function that was called.
    void* data() const { return data_; }

  private:
    static constexpr size_t kMost = 7;

    napi_value nextUnlessUndefined();
    // Chooses the error by what Node-API answered for the value.
    void refuseInteger(napi_status status, const char* name, int64_t least, int64_t most);
    bool booleanOf(napi_value value, const char* name);
    std::string stringOf(napi_value value, const char* name);
    std::string pathOf(napi_value value, const char* name);
    void* typedArray(const char* name, napi_typedarray_type wanted, const char* expected, size_t* length);
    napi_value arrayBufferOf(napi_value value, const char* name);

    const napi_env env_;
    size_t count_;
    size_t at_ = 0;
    bool isRefused_ = false;
    void* data_ = nullptr;
    napi_value values_[kMost];
};

}  // namespace daxkind
