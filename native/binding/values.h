// JavaScript values that native code makes in more than one place.
#pragma once

#include <napi.h>

#include <initializer_list>
#include <optional>

namespace daxkind {

inline napi_value number(napi_env env, int value) {
    napi_value result = nullptr;
    napi_create_int32(env, value, &result);
    return result;
}

inline napi_value number(napi_env env, double value) {
    napi_value result = nullptr;
    napi_create_double(env, value, &result);
    return result;
}

inline napi_value boolean(napi_env env, bool value) {
    napi_value result = nullptr;
    napi_get_boolean(env, value, &result);
    return result;
}

// A boolean, or undefined where it is not known.
inline Napi::Value optionalBoolean(Napi::Env env, std::optional<bool> value) {
    return value ? Napi::Value(Napi::Boolean::New(env, *value)) : env.Undefined();
}

struct ExportedFunction {
    const char* name;
    napi_callback callback;
};

// `data` is what Call::data() gives in the functions.
inline void exportFunctions(napi_env env, napi_value exports, std::initializer_list<ExportedFunction> functions,
                            void* data = nullptr) {
    for (const auto& [name, callback] : functions) {
        napi_value function = nullptr;
        const napi_status status = napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, data, &function);
        if (status == napi_ok) napi_set_named_property(env, exports, name, function);
    }
}

}  // namespace daxkind
