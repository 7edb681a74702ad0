// Threads of this process for what takes long: no event loop does it, and libuv's pool neither, because a process that
// ends waits for that.
//
// A task works in steps, and one thread at a time works on it. Up to 16 tasks have a thread each; further ones take
// turns with them after 20 ms, so that no number of long tasks keeps a short one waiting for their end. A thread ends
// when there is nothing to do. When the process ends, no further step begins, and nobody waits for a task: the kernel
// ends the threads, in a system call as soon as that lets it. So a step should take no more than some milliseconds, and
// should touch nothing but what the task owns and what is never destroyed.
#pragma once

#include <chrono>
#include <memory>
#include <optional>

namespace daxkind {

class Task {
  public:
    virtual ~Task() = default;
    // Does some of the work. Gives the time until the next step, or nothing when there is no more to do: the task is
    // destroyed then, by the same thread.
    virtual std::optional<std::chrono::milliseconds> step() = 0;
};

// Hands a task over; its first step is due after `delay`. May be called from any thread and under any lock that no step
// and no destructor of a task needs. 0, -EAGAIN when no thread does such work and none can be started, or -ENOMEM; the
// task is still the caller's then. Throws nothing.
int doInBackground(std::unique_ptr<Task>& task, std::chrono::milliseconds delay = {});

}  // namespace daxkind
