// Gives back the storage of freed memory, on the threads of jobs/background.h. fallocate takes milliseconds, and does
// not return at all while a page is pinned. So no thread that allocates makes such a call.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>

#include "heap/heap.h"

namespace daxkind {

// The decay of one heap.
class Decay : public std::enable_shared_from_this<Decay> {
  public:
    // From now on Heap::decay() is called whenever there is something to do. `heap` must keep its region alive, too.
    // Called before anybody allocates from the heap. The result must live as long as the heap.
    static std::shared_ptr<Decay> start(const std::shared_ptr<Heap>& heap);

    // Calls Heap::decay() once, and returns what it returns.
    ScavengeStep step(bool isUrgent);
    // The last holder of the heap is about to let go. From now on the heap is not called. A call that is under way is
    // waited for, 10 ms at most, because it may be stuck. It keeps the heap until it returns.
    void end();

  private:
    bool wake(uint32_t inMs);

    std::mutex mutex_;
    std::condition_variable returned_;
    std::weak_ptr<Heap> heap_;
    int calls_ = 0;
    bool isEnded_ = false;
};

}  // namespace daxkind
