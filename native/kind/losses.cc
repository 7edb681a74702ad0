#include "kind/losses.h"

#include <algorithm>
#include <utility>

#include "kind/kind.h"

namespace daxkind {

void KindLosses::watch(const std::shared_ptr<Kind>& kind) {
    guard::Watch* const watch = kind->region->watch();
    if (watch == nullptr) return;
    listener_ = std::make_shared<guard::Watch::Listener>(
        [this, weak = std::weak_ptr<Kind>(kind)](const std::vector<guard::Part>& parts) {
            if (const std::shared_ptr<Kind> kind = weak.lock()) take(*kind, parts);
        });
    watch->listen(listener_);
}

void KindLosses::add(const std::shared_ptr<LossSink>& sink) {
    const std::lock_guard<std::mutex> lock(mutex_);
    sinks_.push_back(sink);
}

void KindLosses::take(Kind& kind, const std::vector<guard::Part>& parts) {
    for (const guard::Part& part : parts) {
        // If storage has been committed there meanwhile, the file is mapped there again.
        if (!kind.region->watch()->hasLost(part.offset, part.length)) continue;
        Loss loss;
        loss.offset = part.offset;
        loss.length = part.length;
        loss.cause = kind.region->lossCause(part);
        loss.firstHandle = kind.firstHandle;
        loss.places = kind.heap.lose(part.offset, part.length);
        // If there are no places, somebody has only looked at a hole, and nothing is lost.
        if (!loss.places.empty()) tell(std::move(loss));
    }
}

void KindLosses::tell(Loss loss) {
    std::vector<std::shared_ptr<LossSink>> sinks;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        const auto isGone = [](const std::weak_ptr<LossSink>& sink) { return sink.expired(); };
        sinks_.erase(std::remove_if(sinks_.begin(), sinks_.end(), isGone), sinks_.end());
        for (const auto& weak : sinks_) {
            if (auto sink = weak.lock()) sinks.push_back(std::move(sink));
        }
    }
    loss.isHeard = std::any_of(sinks.begin(), sinks.end(), [](const auto& sink) { return sink->isListening.load(); });
    for (const auto& sink : sinks) {
        loss.isFirst = sink == sinks.front();
        sink->lost(loss);
    }
}

}  // namespace daxkind
