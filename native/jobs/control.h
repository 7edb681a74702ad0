// What the steps of all long jobs have in common. The thread that wants the job done makes the steps, or a thread of
// background.h.
#pragma once

#include <atomic>

namespace daxkind {

// A step of a job returns this if there is more to do.
constexpr int kMore = 1;

// A job that works on bytes and a watcher on another thread talk by these words. JavaScript sees the struct as a
// Float64Array.
struct JobControl {
    std::atomic<double> isAborted{0};  // The steps do not look at it. The thread that makes them ends the job.
    std::atomic<double> done{0};       // Bytes.
    std::atomic<double> total{0};      // Bytes.
};

}  // namespace daxkind
