// A clock for times that may be a few milliseconds off.
#pragma once

#include <time.h>

#include <cstdint>

namespace daxkind {

// Milliseconds of a clock that costs a few nanoseconds to read. Wraps after 49 days, and is never 0.
inline uint32_t coarseMs() {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return static_cast<uint32_t>(now.tv_sec * 1000 + now.tv_nsec / 1000000) | 1;
}

// Whether less than `ms` milliseconds have passed since a moment. False if `since` is 0.
inline bool isWithin(uint32_t since, uint32_t ms) {
    return since != 0 && coarseMs() - since < ms;
}

}  // namespace daxkind
