// The clock by which the heap tells how long something has been free, or full (native/heap/clock.h), in the hand of a
// test: clock_gettime is wrapped when the program is linked (--wrap in the Makefile). All other clocks go on as ever.
#pragma once

#include <cstdint>

namespace test {

// While it lives, that clock stands still, for all threads of the program, and moves when the test says so. Time that
// was moved over stays over. At most one at a time.
class StoppedClock {
  public:
    StoppedClock();
    StoppedClock(const StoppedClock&) = delete;
    StoppedClock& operator=(const StoppedClock&) = delete;
    ~StoppedClock();

    void advance(uint32_t ms);
};

// Moves that clock forward, whether it stands still or not.
void advanceClock(uint32_t ms);

}  // namespace test
