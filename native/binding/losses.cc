// See losses.h.
#include "binding/losses.h"

#include "binding/addon.h"
#include "binding/call.h"
#include "binding/exports.h"
#include "binding/values.h"

namespace daxkind {

namespace {

const char* nameOf(LostPlace::Sort sort) {
    switch (sort) {
        case LostPlace::Sort::kFree:
            return "free";
        case LostPlace::Sort::kBlock:
            return "block";
        case LostPlace::Sort::kReferenced:
            return "referenced";
        case LostPlace::Sort::kRaw:
            return "raw";
    }
    return "";
}

Napi::Object placeObject(Napi::Env env, const LostPlace& place, uint64_t firstHandle) {
    Napi::Object object = Napi::Object::New(env);
    object["sort"] = nameOf(place.sort);
    object["offset"] = static_cast<double>(place.offset);
    object["length"] = static_cast<double>(place.length);
    if (place.sort == LostPlace::Sort::kReferenced) {
        object["isShared"] = place.reference.sort == ReferenceSort::kShared;
        object["generation"] = static_cast<double>(place.reference.generation);
        object["zone"] = place.reference.redZone;
        object["bytes"] = static_cast<double>(place.reference.length);
    }
    if (place.sort == LostPlace::Sort::kRaw) object["handle"] = static_cast<double>(place.handle(firstHandle));
    return object;
}

// setLossHandler(handler)
napi_value setLossHandler(napi_env env, napi_callback_info info) {
    Call call(env, info, 1);
    const Napi::Function handler(env, call.function("handler"));
    if (call.isRefused()) return nullptr;
    LossQueue::of(env)->setHandler(handler);
    return nullptr;
}

}  // namespace

const char* nameOf(LossCause cause) {
    switch (cause) {
        case LossCause::kMedia:
            return "media";
        case LossCause::kTruncated:
            return "truncated";
        case LossCause::kNoSpace:
            return "no-space";
        case LossCause::kRemoved:
            return "removed";
        case LossCause::kUnknown:
            return "unknown";
    }
    return "";
}

std::shared_ptr<LossQueue> LossQueue::of(Napi::Env env) {
    std::shared_ptr<LossQueue>& queue = AddonState::of(env).losses;
    if (queue == nullptr) {
        queue = std::make_shared<LossQueue>();
        // The pointer is valid, because the end of the environment's state stops the call.
        LossQueue* const self = queue.get();
        queue->loopCall_ = LoopCall::create(env, [self](napi_env env) { self->tell(env); });
    }
    return queue;
}

void LossQueue::put(bool isMapping, int64_t id, const Loss& loss) {
    const std::lock_guard<std::mutex> lock(mutex_);
    entries_.push_back({isMapping, id, loss});
    if (loopCall_ != nullptr) loopCall_->wake();
}

void LossQueue::stop() {
    if (loopCall_ != nullptr) loopCall_->stop();
    handler_.Reset();
}

void LossQueue::tell(Napi::Env env) {
    std::vector<Entry> entries;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        entries.swap(entries_);
    }
    for (const Entry& entry : entries) {
        if (handler_.IsEmpty()) return;
        const Napi::HandleScope scope(env);
        Napi::Object loss = Napi::Object::New(env);
        loss["isMapping"] = entry.isMapping;
        loss["id"] = static_cast<double>(entry.id);
        loss["offset"] = static_cast<double>(entry.loss.offset);
        loss["length"] = static_cast<double>(entry.loss.length);
        loss["cause"] = nameOf(entry.loss.cause);
        loss["isHeard"] = entry.loss.isHeard;
        loss["isFirst"] = entry.loss.isFirst;
        Napi::Array places = Napi::Array::New(env, entry.loss.places.size());
        for (uint32_t at = 0; at < entry.loss.places.size(); at++) {
            places[at] = placeObject(env, entry.loss.places[at], entry.loss.firstHandle);
        }
        loss["places"] = places;
        // The handler throws nothing. In a worker that is being terminated it is not called.
        handler_.Call({loss});
        if (env.IsExceptionPending()) return;
    }
}

void exportLosses(Napi::Env env, Napi::Object exports) {
    exportFunctions(env, exports, {{"setLossHandler", setLossHandler}});
}

}  // namespace daxkind
