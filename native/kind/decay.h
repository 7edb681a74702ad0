// Who gives the storage of freed memory back: threads of their own (jobs/background.h), because fallocate takes
// milliseconds, and for ever where a page is pinned. No thread that allocates makes such a call.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>

#include "heap/heap.h"

namespace daxkind {

// The decay of one heap.
class Decay : public std::enable_shared_from_this<Decay> {
  public:
    // Has Heap::decay() called whenever there is something to do. `heap` is an alias of what keeps the region, too.
    // Called before anybody allocates from it; the result lives as long as the heap.
    static std::shared_ptr<Decay> start(const std::shared_ptr<Heap>& heap);

    // Calls the heap once; what there is to do after that.
    ScavengeStep step(bool isUrgent);
    // The last holder of the heap is about to let go. From now on it is not called, and nobody holds it by this: a call
    // under way is waited for, but not for long, since it may be stuck; it lets go afterwards, then.
    void end();

  private:
    void wake(uint32_t inMs);

    std::mutex mutex_;
    std::condition_variable returned_;
    std::weak_ptr<Heap> heap_;
    int calls_ = 0;
    bool isEnded_ = false;
};

}  // namespace daxkind
