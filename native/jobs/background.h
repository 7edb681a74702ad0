// Threads of this process for work that takes long. An event loop must not do it. Nor may libuv's pool, because a
// process that ends waits for that.
//
// A task works in steps, and one thread at a time works on it. Up to 16 tasks have a thread each. Further tasks take
// turns with them after 20 ms, so that long tasks never keep a short one waiting for their end. A thread ends when
// there is nothing to do. When the process ends, no further step begins, and nobody waits for a task. The kernel ends
// the threads: one that is in a system call, as soon as the call lets it. So a step should take no more than some
// milliseconds. It should touch nothing but what the task owns and what is never destroyed.
#pragma once

#include <chrono>
#include <memory>
#include <optional>

namespace daxkind {

class Task {
  public:
    virtual ~Task() = default;
    // Does some of the work. Returns the time until the next step. No value means that there is no more to do: then the
    // same thread destroys the task.
    virtual std::optional<std::chrono::milliseconds> step() = 0;
};

// Hands a task over. Its first step is due after `delay`. May be called from any thread, and under any lock that no
// step and no destructor of a task needs. 0; -EAGAIN if no thread does such work and none can be started; or -ENOMEM.
// After an error the task is still the caller's. Throws nothing.
int doInBackground(std::unique_ptr<Task>& task, std::chrono::milliseconds delay = {});

}  // namespace daxkind
