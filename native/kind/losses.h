// Tells those who hold a kind which of its memory is lost, after the heap has taken that out of use.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "guard/watch.h"
#include "heap/heap.h"
#include "region/region.h"

namespace daxkind {

struct Kind;

// A part that has been lost.
struct Loss {
    uint64_t offset = 0;
    uint64_t length = 0;
    LossCause cause = LossCause::kUnknown;
    // Only of a kind: what was there, and the kind's first handle number.
    std::vector<LostPlace> places = {};
    uint64_t firstHandle = 0;
    // Whether any sink has a listener.
    bool isHeard = true;
    // Whether this sink is the first that is told. If nobody listens, it is the one that warns.
    bool isFirst = false;
};

// One who is told of losses.
class LossSink {
  public:
    virtual ~LossSink() = default;
    // The guard's thread calls this.
    virtual void lost(const Loss& loss) = 0;
    // Whether the sink has a listener.
    std::atomic<bool> isListening{false};
};

class KindLosses {
  public:
    // Called once, when the kind has its region.
    void watch(const std::shared_ptr<Kind>& kind);
    // Tells this sink, too, for as long as somebody keeps it. May be called from any thread.
    void add(const std::shared_ptr<LossSink>& sink);

  private:
    void take(Kind& kind, const std::vector<guard::Part>& parts);
    void tell(Loss loss);

    std::shared_ptr<guard::Watch::Listener> listener_;
    std::mutex mutex_;
    std::vector<std::weak_ptr<LossSink>> sinks_;
};

}  // namespace daxkind
