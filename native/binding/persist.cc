// The exports for persistence: flush, drain and msync of a range of a Buffer. The range is checked against the view
// itself, so no address outside it can be named.
#include "binding/addon.h"
#include "binding/arguments.h"
#include "binding/errors.h"
#include "persist/cpu.h"
#include "persist/flush.h"
#include "syscalls/mapping.h"

namespace daxkind {

namespace {

using persist::FlushInstruction;

struct Range {
    const unsigned char* address;
    std::size_t length;
};

/// The arguments (view, offset, length). A Buffer and every other Uint8Array is a view.
std::optional<Range> takeRange(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    if (!info[0].IsTypedArray()) {
        invalidArgType(env, "view", "an instance of Uint8Array");
        return std::nullopt;
    }
    napi_typedarray_type type;
    std::size_t size = 0;
    void* data = nullptr;
    if (napi_get_typedarray_info(env, info[0], &type, &size, &data, nullptr, nullptr) != napi_ok ||
        type != napi_uint8_array) {
        invalidArgType(env, "view", "an instance of Uint8Array");
        return std::nullopt;
    }
    const auto offset = takeInteger(info, 1, "offset");
    if (!offset) return std::nullopt;
    const auto length = takeInteger(info, 2, "length");
    if (!length) return std::nullopt;
    if (*offset > size || *length > size - *offset) {
        outOfRange(env, "offset + length", ("at most " + std::to_string(size)).c_str());
        return std::nullopt;
    }
    return Range{static_cast<const unsigned char*>(data) + *offset, static_cast<std::size_t>(*length)};
}

/// The instruction of that name, if this processor has it.
std::optional<FlushInstruction> instructionNamed(const std::string& name) {
    for (std::size_t index = 0; index < persist::flushInstructionCount; index += 1) {
        const auto instruction = static_cast<FlushInstruction>(index);
        if (name == persist::nameOf(instruction) && persist::hasInstruction(instruction)) return instruction;
    }
    return std::nullopt;
}

/// flush(view, offset, length, instruction?)
Napi::Value flush(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const auto range = takeRange(info);
    if (!range) return env.Undefined();
    FlushInstruction instruction = persist::bestFlushInstruction();
    if (!info[3].IsUndefined()) {
        if (!info[3].IsString()) return invalidArgType(env, "instruction", "of type string");
        const auto named = instructionNamed(info[3].As<Napi::String>().Utf8Value());
        if (!named) return outOfRange(env, "instruction", "one that this processor has");
        instruction = *named;
    }
    persist::flush(range->address, range->length, instruction);
    return env.Undefined();
}

/// drain()
Napi::Value drain(const Napi::CallbackInfo& info) {
    persist::drain();
    return info.Env().Undefined();
}

/// syncPages(view, offset, length, path?). msync passes over pages that a truncated file has lost, without an error.
/// They are lost from some page on, so that the last one tells; and afterwards, so that none is lost in between.
Napi::Value syncPages(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const auto range = takeRange(info);
    if (!range || range->length == 0) return env.Undefined();
    const char* call = "msync";
    int result = syscalls::syncPages(range->address, range->length);
    if (result == 0) {
        call = "madvise";
        result = syscalls::checkPage(range->address + range->length - 1);
    }
    if (result != 0) {
        const auto path = takeOptionalPath(info, 3);
        throwSystemError(env, result, call, path ? path->c_str() : nullptr);
    }
    return env.Undefined();
}

/// The names of the instructions this processor has, the best one first; "none" is not among them.
Napi::Array instructionNames(Napi::Env env) {
    Napi::Array names = Napi::Array::New(env);
    for (std::size_t index = persist::flushInstructionCount - 1; index > 0; index -= 1) {
        const auto instruction = static_cast<FlushInstruction>(index);
        if (persist::hasInstruction(instruction)) names.Set(names.Length(), persist::nameOf(instruction));
    }
    return names;
}

}  // namespace

void exportPersist(Napi::Env env, Napi::Object exports) {
    exports.Set("flushInstructions", instructionNames(env));
    exports.Set("flush", Napi::Function::New(env, flush, "flush"));
    exports.Set("drain", Napi::Function::New(env, drain, "drain"));
    exports.Set("syncPages", Napi::Function::New(env, syncPages, "syncPages"));
}

}  // namespace daxkind
