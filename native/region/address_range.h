// The addresses of a region: a mapping that scripts may see parts of. The addresses that scripts have seen stay mapped,
// with nothing of use behind them, until nothing can reach them any more. The others are unmapped when the region goes.
//
// take() and letGo() belong to one thread. Between them any thread may call show().
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include "guard/watch.h"

namespace daxkind {

class AddressRange {
  public:
    AddressRange() = default;
    AddressRange(const AddressRange&) = delete;
    AddressRange& operator=(const AddressRange&) = delete;
    // Unmaps what is still mapped. Whoever can still reach the memory must keep the range alive.
    ~AddressRange();

    // Where a mapping of that length is to be tried. Null: where the kernel likes.
    static void* hintFor(uint64_t length);
    // Takes over a mapping, and watches it. A part of it can be replaced in multiples of `granule` bytes. 0, or -errno
    // with the call that failed: then the mapping is still the caller's.
    int take(void* base, uint64_t length, uint64_t granule, const char** failedCall);

    guard::Watch& watch() { return watch_; }
    char* base() const { return base_; }
    uint64_t length() const { return length_; }
    bool isHeld() const { return isHeld_; }
    // Scripts get to see this part. May be called from any thread.
    void show(uint64_t offset, uint64_t length);
    // Puts empty memory in place of what was shown, and unmaps the rest. Nothing behind `usedEnd` has pages.
    void letGo(uint64_t usedEnd);

  private:
    // Cuts the range into parts that were shown and parts that were not, each as long as it can be. Calls
    // visit(address, length, isShown) for each.
    template <typename Visit>
    void forEachPart(Visit visit) const;

    guard::Watch watch_;
    char* base_ = nullptr;
    uint64_t length_ = 0;
    bool isHeld_ = false;
    std::mutex shownMutex_;
    std::vector<bool> shown_;  // One bit for each kShownUnit bytes.
};

}  // namespace daxkind
