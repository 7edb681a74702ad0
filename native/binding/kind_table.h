// What the exports of kinds share: their arguments, their values, the list of them.
#pragma once

#include <napi.h>

#include <cstdint>

#include "binding/hold.h"
#include "binding/shown.h"

namespace daxkind {

// The arguments of a hot call, all numbers, and the hold that the first one names.
template <size_t N>
struct Call {
    napi_value values[N + 1];
    HoldTable* table = nullptr;

    Call(napi_env env, napi_callback_info info) : env_(env) {
        size_t count = N + 1;
        void* data = nullptr;
        napi_get_cb_info(env, info, &count, values, nullptr, &data);
        table = static_cast<HoldTable*>(data);
    }

    int64_t id() const {
        int64_t id = 0;
        napi_get_value_int64(env_, values[0], &id);
        return id;
    }

    Hold* hold() const { return table->find(id()); }

    uint32_t uint32(size_t index) const {
        uint32_t value = 0;
        napi_get_value_uint32(env_, values[index + 1], &value);
        return value;
    }

    double number(size_t index) const {
        double value = 0;
        napi_get_value_double(env_, values[index + 1], &value);
        return value;
    }

    uint64_t uint64(size_t index) const {
        const double value = number(index);
        return value > 0 && value < 18446744073709551616.0 ? static_cast<uint64_t>(value) : 0;
    }

    // Detaches the ArrayBuffer at `index`, if there is one: every view of it has length 0 then.
    void detach(size_t index) const { detachArrayBuffer(env_, values[index + 1]); }

    uint64_t blockOffset(size_t index) const {
        return (static_cast<uint64_t>(uint32(index)) << kSegmentShift) + uint32(index + 1);
    }

  private:
    napi_env env_;
};

inline napi_value number(napi_env env, int value) {
    napi_value result;
    napi_create_int32(env, value, &result);
    return result;
}

inline napi_value number(napi_env env, double value) {
    napi_value result;
    napi_create_double(env, value, &result);
    return result;
}

// The groups of exports; `table` is the data of their functions.
void exportKindMaking(Napi::Env env, Napi::Object exports, HoldTable* table);      // kind.cc
void exportKindBlocks(Napi::Env env, Napi::Object exports, HoldTable* table);      // kind_blocks.cc
void exportKindSharing(Napi::Env env, Napi::Object exports, HoldTable* table);     // kind_sharing.cc
void exportKindStatistics(Napi::Env env, Napi::Object exports, HoldTable* table);  // kind_statistics.cc
void exportKindJobs(Napi::Env env, Napi::Object exports, HoldTable* table);        // kind_jobs.cc
Napi::Object kindLayout(Napi::Env env);                                            // kind_layout.cc

inline void addFunction(Napi::Env env, Napi::Object exports, const char* name, napi_callback callback, void* data) {
    napi_value function = nullptr;
    const napi_status status = napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, data, &function);
    if (status == napi_ok) exports.Set(name, Napi::Value(env, function));
}

}  // namespace daxkind
