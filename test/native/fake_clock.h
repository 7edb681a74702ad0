// The clocks by which the heap tells how long something has been free, or full (native/heap/clock.h), and a cache how
// old an entry is. A test controls them here: clock_gettime is wrapped when the program is linked (--wrap in the
// Makefile). All other clocks go on as usual, and so do those of std::chrono.
#pragma once

#include <cstdint>

namespace test {

// While it lives, that clock stands still for all threads of the program, and moves only when the test says so. Time
// that a test has moved over stays over. There may be one at a time.
class StoppedClock {
  public:
    StoppedClock();
    StoppedClock(const StoppedClock&) = delete;
    StoppedClock& operator=(const StoppedClock&) = delete;
    ~StoppedClock();

    void advance(uint32_t ms);
};

// Moves that clock forward, no matter if it stands still.
void advanceClock(uint32_t ms);

}  // namespace test
