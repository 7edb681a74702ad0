// What a kind has lost: told to those who hold it, once the heap has taken it out of use.
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
    // Of a kind: what was there.
    std::vector<LostPlace> places = {};
    uint64_t firstHandle = 0;
    // Whether somebody has a listener, and whether the sink that is told is to see to it that somebody hears of it.
    bool isHeard = true;
    bool isFirst = false;
};

// Who is told.
class LossSink {
  public:
    virtual ~LossSink() = default;
    // By the guard's thread.
    virtual void lost(const Loss& loss) = 0;
    // Whether it has somebody who listens.
    std::atomic<bool> isListening{false};
};

class KindLosses {
  public:
    // Called once, when the kind has its region.
    void watch(const std::shared_ptr<Kind>& kind);
    // For as long as somebody has the sink.
    void add(const std::shared_ptr<LossSink>& sink);

  private:
    void take(Kind& kind, const std::vector<guard::Part>& parts);
    void tell(Loss loss);

    std::shared_ptr<guard::Watch::Listener> listener_;
    std::mutex mutex_;
    std::vector<std::weak_ptr<LossSink>> sinks_;
};

}  // namespace daxkind
