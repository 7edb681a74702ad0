// See loop_call.h.
#include "binding/loop_call.h"

#include <utility>

namespace daxkind {

std::shared_ptr<LoopCall> LoopCall::create(napi_env env, std::function<void(napi_env)> run) {
    napi_value name;
    if (napi_create_string_utf8(env, "daxkind", NAPI_AUTO_LENGTH, &name) != napi_ok) return nullptr;
    // Node frees the function after this has run. Node 24 does so only if it has been released, and older ones even if
    // somebody still knows it.
    const auto finalize = [](napi_env, void*, void* context) {
        auto* const hold = static_cast<std::shared_ptr<LoopCall>*>(context);
        {
            const std::lock_guard<std::mutex> lock((*hold)->mutex_);
            if ((*hold)->function_ != nullptr) napi_release_threadsafe_function((*hold)->function_, napi_tsfn_release);
            (*hold)->function_ = nullptr;
        }
        delete hold;
    };
    const auto call = [](napi_env env, napi_value, void* context, void*) {
        // A call that is still queued when the function is finalised comes without an environment and without a
        // context.
        if (env == nullptr) return;
        LoopCall& self = **static_cast<std::shared_ptr<LoopCall>*>(context);
        self.isQueued_ = false;
        if (self.run_ != nullptr) self.run_(env);
    };
    auto made = std::make_shared<LoopCall>();
    made->run_ = std::move(run);
    auto* const hold = new std::shared_ptr<LoopCall>(made);
    if (napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, finalize, hold, call,
                                        &made->function_) != napi_ok) {
        delete hold;
        return nullptr;
    }
    napi_unref_threadsafe_function(env, made->function_);
    return made;
}

void LoopCall::wake() {
    if (isQueued_.exchange(true)) return;
    const std::lock_guard<std::mutex> lock(mutex_);
    if (function_ != nullptr) napi_call_threadsafe_function(function_, nullptr, napi_tsfn_nonblocking);
}

void LoopCall::keepAlive(napi_env env, bool isKept) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (function_ == nullptr) return;
    if (isKept) {
        napi_ref_threadsafe_function(env, function_);
    } else {
        napi_unref_threadsafe_function(env, function_);
    }
}

void LoopCall::stop() {
    run_ = nullptr;
    const std::lock_guard<std::mutex> lock(mutex_);
    if (function_ != nullptr) napi_release_threadsafe_function(function_, napi_tsfn_abort);
    function_ = nullptr;
}

}  // namespace daxkind
