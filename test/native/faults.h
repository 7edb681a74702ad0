// System calls that fail when a test wants it. The calls that native/ makes are wrapped when the program is linked
// (--wrap in the Makefile). Without a plan they pass through. A ledger records what they map and open, so that a test
// can name what is left behind.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace test::faults {

enum class Call {
    kFallocate,
    kFtruncate,
    kFstatfs,
    kMadvise,
    kMbind,
    kMkostemp,
    kMmap,
    kMremap,
    kOpen,
    kPwrite,
    kStatx,
    kUnlink
};
const char* name(Call call);

struct Plan {
    Call call;
    uint32_t nth;         // The first call that fails. 1 is the next call.
    int error;            // errno.
    bool isForGood;       // All later ones fail, too.
    bool isHalf = false;  // It has done half of its work when it fails, as fallocate does on ext4.
};

// From now on, calls fail by these plans. The first plan that concerns a call decides.
void arm(const std::vector<Plan>& plans);
// From now on, no call fails. Gives the number of calls that failed by the last plan.
uint32_t disarm();

// While it lives, no call fails or is counted.
class Truce {
  public:
    Truce();
    ~Truce();

  private:
    const bool wasArmed_;
};

// Begins an empty ledger of what is mapped and opened.
void openLedger();
// What has been mapped and not unmapped, or opened and not closed since then, in words. Empty if nothing is left.
std::string left();
// The calls that unmapped or replaced another thread's mapping, which that thread had made in a place that a failed
// call left free. Empty if there were none.
std::string trespasses();
void closeLedger();

}  // namespace test::faults
