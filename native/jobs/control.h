// What the steps of a long job have in common, whoever makes them: the thread that wants it done, or one of those for
// long tasks.
#pragma once

#include <atomic>

namespace daxkind {

// What the step of a job gives when there is more to do.
constexpr int kMore = 1;

// What a job that works on bytes and a watcher on another thread tell each other; JavaScript sees the struct as a
// Float64Array.
struct JobControl {
    std::atomic<double> isAborted{0};  // Not looked at by the steps; whoever makes them ends the job.
    std::atomic<double> done{0};       // Bytes.
    std::atomic<double> total{0};      // Bytes.
};

}  // namespace daxkind
