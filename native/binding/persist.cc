// The exports for persistence: flush, drain and msync of a range of a Buffer. The range is checked against the view
// itself, so a caller can name no address outside it.
#include <napi.h>

#include <cerrno>
#include <optional>
#include <string>

#include "binding/call.h"
#include "binding/errors.h"
#include "binding/exports.h"
#include "binding/values.h"
#include "guard/watch.h"
#include "persist/cpu.h"
#include "persist/flush.h"
#include "syscalls/mapping.h"

namespace daxkind {

namespace {

using persist::FlushInstruction;

// Takes three arguments, a view and a range of it. Gives the range's bytes, or nothing if an argument is refused.
std::optional<ByteView> takeRange(napi_env env, Call& call) {
    const ByteView view = call.bytes("view");
    const uint64_t offset = call.uint64("offset");
    const uint64_t length = call.uint64("length");
    if (call.isRefused()) return std::nullopt;
    if (offset > view.length || length > view.length - offset) {
        throwOutOfRange(env, "offset + length", "at most " + std::to_string(view.length));
        return std::nullopt;
    }
    return ByteView{view.data + offset, static_cast<size_t>(length)};
}

// The instruction of that name, if this processor has it.
std::optional<FlushInstruction> instructionNamed(const std::string& name) {
    for (size_t index = 0; index < persist::kFlushInstructions; index += 1) {
        const auto instruction = static_cast<FlushInstruction>(index);
        if (name == persist::nameOf(instruction) && persist::hasInstruction(instruction)) return instruction;
    }
    return std::nullopt;
}

// True, with an exception pending, if a byte of the range is lost: it is on no medium, and cannot be made persistent.
bool refuseLost(napi_env env, const ByteView& range, const char* call, const char* path) {
    if (!guard::isLost(range.data, range.length)) return false;
    throwSystemError(env, -EFAULT, call, path);
    return true;
}

// flush(view, offset, length, instruction?)
napi_value flush(napi_env env, napi_callback_info info) {
    Call call(env, info, 4);
    const auto range = takeRange(env, call);
    if (!range) return nullptr;
    const auto name = call.optionalString("instruction");
    if (call.isRefused()) return nullptr;
    FlushInstruction instruction = persist::bestFlushInstruction();
    if (name) {
        const auto named = instructionNamed(*name);
        if (!named) return throwOutOfRange(env, "instruction", "an instruction that this processor has");
        instruction = *named;
    }
    persist::flush(range->data, range->length, instruction);
    refuseLost(env, *range, "flush", nullptr);
    return nullptr;
}

// drain()
napi_value drain(napi_env, napi_callback_info) {
    persist::drain();
    return nullptr;
}

// syncPages(view, offset, length, path?). msync passes over pages that a truncated file has lost, without an error. A
// truncated file has lost all pages from some page on, so it is enough to look at the last page. The look comes after
// msync, so that no page is lost in between.
napi_value syncPages(napi_env env, napi_callback_info info) {
    Call call(env, info, 4);
    const auto range = takeRange(env, call);
    if (!range) return nullptr;
    const auto path = call.optionalPath("path");
    if (call.isRefused() || range->length == 0) return nullptr;
    if (refuseLost(env, *range, "msync", path ? path->c_str() : nullptr)) return nullptr;
    const char* failedCall = "msync";
    int result = syscalls::syncPages(range->data, range->length);
    if (result == 0) {
        failedCall = "madvise";
        result = syscalls::checkPage(range->data + range->length - 1);
    }
    if (result != 0) throwSystemError(env, result, failedCall, path ? path->c_str() : nullptr);
    return nullptr;
}

// The names of the instructions that this processor has, the best one first. "none" is not among them.
Napi::Array instructionNames(Napi::Env env) {
    Napi::Array names = Napi::Array::New(env);
    for (size_t index = persist::kFlushInstructions - 1; index > 0; index -= 1) {
        const auto instruction = static_cast<FlushInstruction>(index);
        if (persist::hasInstruction(instruction)) names.Set(names.Length(), persist::nameOf(instruction));
    }
    return names;
}

}  // namespace

void exportPersist(Napi::Env env, Napi::Object exports) {
    exports.Set("flushInstructions", instructionNames(env));
    exportFunctions(env, exports, {{"flush", flush}, {"drain", drain}, {"syncPages", syncPages}});
}

}  // namespace daxkind
