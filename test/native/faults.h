// System calls that fail when a test wants it. The calls that native/ makes are wrapped when the program is linked
// (--wrap in the Makefile); without a plan, they pass through. And what they mapped and opened is booked, so that what
// is left behind can be named.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace test::faults {

enum class Call { fallocate, ftruncate, fstatfs, madvise, mbind, mkostemp, mmap, mremap, open, pwrite, statx, unlink };
const char* name(Call call);

struct Plan {
    Call call;
    uint32_t nth;         // The first call that fails; 1 is the next one.
    int error;            // errno.
    bool isForGood;       // All later ones fail, too.
    bool isHalf = false;  // It has done half of its work when it fails, as fallocate does on ext4.
};

// From now on, calls fail by these plans; the first one that concerns a call decides.
void arm(const std::vector<Plan>& plans);
// From now on, none does. Gives the number of calls that the last plan has made fail.
uint32_t disarm();

// While it lives, no call fails or is counted.
class Truce {
  public:
    Truce();
    ~Truce();

  private:
    const bool wasArmed_;
};

// Begins to book what is mapped and opened, with nothing.
void openLedger();
// What has been mapped and not unmapped, opened and not closed since then, in words; empty if nothing is left.
std::string left();
// The calls that have unmapped or replaced what another thread had mapped into a place that a failed call had left
// free; empty if there were none.
std::string trespasses();
void closeLedger();

}  // namespace test::faults
