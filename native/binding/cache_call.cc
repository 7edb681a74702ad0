#include "binding/cache_call.h"

namespace daxkind {

namespace {

// A key that is not longer costs one call of Node-API.
constexpr size_t kShortKey = 512;

}  // namespace

cache::Key CacheCall::key(const CacheHold* at) {
    cache::Key key;
    if (isRefused()) return key;
    const napi_value value = next();
    CacheTable& table = caches();
    if (table.units.size() < kShortKey) table.units.resize(kShortKey);
    size_t units = 0;
    const napi_status status =
        napi_get_value_string_utf16(env(), value, table.units.data(), table.units.size(), &units);
    if (status == napi_ok) {
        // The last place is for a null character. If all others are used, the string may be longer.
        if (units == table.units.size() - 1) {
            napi_get_value_string_utf16(env(), value, nullptr, 0, &units);
            if (units <= cache::kMostKeyBytes) {
                table.units.resize(units + 1);
                napi_get_value_string_utf16(env(), value, table.units.data(), table.units.size(), &units);
            }
        }
        key = keyOfString(units);
    } else {
        napi_typedarray_type type = napi_int8_array;
        void* bytes = nullptr;
        size_t length = 0;
        if (napi_get_typedarray_info(env(), value, &type, &length, &bytes, nullptr, nullptr) != napi_ok ||
            type != napi_uint8_array) {
            refuseType("key", "of type string or an instance of Uint8Array");
            return key;
        }
        if (length > cache::kMostKeyBytes) {
            refuseRange("key", "at most 1 MiB");
            return key;
        }
        key = {static_cast<const unsigned char*>(bytes), static_cast<uint32_t>(length), cache::KeySort::kBytes, 0};
    }
    if (at != nullptr && !isRefused()) at->cache().hash(&key);
    return key;
}

// The key of the string whose units are in the table's memory.
cache::Key CacheCall::keyOfString(size_t units) {
    CacheTable& table = caches();
    if (units > cache::kMostKeyBytes || units >= table.units.size()) {
        refuseRange("key", "at most 1 MiB");
        return {};
    }
    uint32_t all = 0;
    for (size_t i = 0; i < units; i++) all |= table.units[i];
    if (all > UINT8_MAX) {
        if (units * sizeof(char16_t) > cache::kMostKeyBytes) refuseRange("key", "at most 1 MiB");
        return {reinterpret_cast<const unsigned char*>(table.units.data()),
                static_cast<uint32_t>(units * sizeof(char16_t)), cache::KeySort::kUtf16, 0};
    }
    if (table.narrow.size() < units) table.narrow.resize(table.units.size());
    for (size_t i = 0; i < units; i++) table.narrow[i] = static_cast<unsigned char>(table.units[i]);
    return {table.narrow.data(), static_cast<uint32_t>(units), cache::KeySort::kLatin1, 0};
}

}  // namespace daxkind
