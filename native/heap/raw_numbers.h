// Where the numbers of raw handles come from. A handle is a safe integer of JavaScript's, and each kind that has
// handles owns a range of them, so that a handle of one kind is never taken for another's. The ranges of closed kinds
// are used again only when there are no others, those first that were taken first.
//
// Who may call: one thread at a time.
#pragma once

#include <cstdint>
#include <map>

namespace daxkind {

class RawNumbers {
  public:
    // Small integers, which programs hold for other reasons, are no handles.
    static constexpr uint64_t kFirst = 1ull << 40;
    static constexpr uint64_t kEnd = 1ull << 53;

    // `seed`: where the first range begins, so that the handles of another process, or of another copy of the addon,
    // are most likely no handles here.
    explicit RawNumbers(uint64_t seed) : start_(kFirst + seed % (kEnd - kFirst)), next_(start_) {}

    // The first of `count` numbers that nobody has. 0 if there are none.
    uint64_t take(uint64_t count);
    // Gives back the range that begins there.
    void giveBack(uint64_t first) { taken_.erase(first); }
    // Whether somebody has or had the number.
    bool wasTaken(uint64_t number) const;

  private:
    static uint64_t distance(uint64_t from, uint64_t to) {
        return to >= from ? to - from : to + (kEnd - kFirst) - from;
    }

    std::map<uint64_t, uint64_t> taken_;  // First, and the one behind the last.
    const uint64_t start_;
    uint64_t next_;
    uint64_t used_ = 0;  // Numbers from the start on that somebody has or had.
};

}  // namespace daxkind
