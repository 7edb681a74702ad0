#include "fake_clock.h"

#include <time.h>

#include <atomic>

#include "check.h"

extern "C" int __real_clock_gettime(clockid_t, timespec*);

namespace test {

namespace {

constexpr int64_t kMillion = 1'000'000;

std::atomic<int64_t> movedBy{0};    // Milliseconds.
std::atomic<int64_t> stoppedAt{0};  // Milliseconds of the kernel's clock; 0: the clock goes on.

int64_t kernelMs() {
    timespec now;
    __real_clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return int64_t{now.tv_sec} * 1000 + now.tv_nsec / kMillion;
}

}  // namespace

StoppedClock::StoppedClock() {
    CHECK(stoppedAt == 0, "the clock is stopped already");
    stoppedAt = kernelMs();
}

// The clock goes on from where it stands.
StoppedClock::~StoppedClock() {
    movedBy -= kernelMs() - stoppedAt;
    stoppedAt = 0;
}

void StoppedClock::advance(uint32_t ms) {
    advanceClock(ms);
}

void advanceClock(uint32_t ms) {
    movedBy += ms;
}

extern "C" int __wrap_clock_gettime(clockid_t clock, timespec* now) {
    if (clock != CLOCK_MONOTONIC_COARSE && clock != CLOCK_MONOTONIC) return __real_clock_gettime(clock, now);
    const int64_t stopped = stoppedAt;
    const int64_t ms = (stopped != 0 ? stopped : kernelMs()) + movedBy;
    now->tv_sec = ms / 1000;
    now->tv_nsec = ms % 1000 * kMillion;
    return 0;
}

}  // namespace test
