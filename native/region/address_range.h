// The addresses of a region: where something is mapped that scripts may see parts of. What they have seen stays theirs,
// with nothing of use behind it, until nothing can reach it any more; the rest goes when the region does.
//
// take() and letGo() belong to one thread; between them any thread may call show().
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
    // Unmaps. Whoever can still reach the memory keeps the range alive.
    ~AddressRange();

    // Where a mapping of that length is to be tried; null: where the kernel likes.
    static void* hintFor(uint64_t length);
    // A mapping, which is the range's from now on, and is watched. `granule`: what a part of it can be replaced in. 0,
    // or -errno with the call that failed; it is still the caller's then.
    int take(void* base, uint64_t length, uint64_t granule, const char** failedCall);

    guard::Watch& watch() { return watch_; }
    char* base() const { return base_; }
    uint64_t length() const { return length_; }
    bool isHeld() const { return isHeld_; }
    // Scripts get to see this part. May be called from any thread.
    void show(uint64_t offset, uint64_t length);
    // Puts empty memory in place of what was shown, and unmaps the rest. What lies behind `usedEnd` has no pages.
    void letGo(uint64_t usedEnd);

  private:
    // Calls visit(address, length, isShown) for each longest part of the range that was shown, or was not.
    template <typename Visit>
    void forEachPart(Visit visit) const;

    guard::Watch watch_;
    char* base_ = nullptr;
    uint64_t length_ = 0;
    bool isHeld_ = false;
    std::mutex shownMutex_;
    std::vector<bool> shown_;  // By kShownUnit.
};

}  // namespace daxkind
