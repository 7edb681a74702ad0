// Where the numbers of raw handles come from. A handle is a safe integer of JavaScript. Each kind that has handles owns
// a range of these numbers, so that a handle of one kind is never taken for another's. The range of a closed kind is
// used again only when no other numbers are left. The ranges that were taken first come first then.
//
// Who may call: one thread at a time.
#pragma once

#include <cstdint>
#include <map>

namespace daxkind {

class RawNumbers {
  public:
    // Small integers are no handles, because programs hold those for other reasons.
    static constexpr uint64_t kFirst = 1ull << 40;
    static constexpr uint64_t kEnd = 1ull << 53;

    // `seed` says where the first range begins. Its handles are then most likely no handles in another process, or in
    // another copy of the addon.
    explicit RawNumbers(uint64_t seed) : start_(kFirst + seed % (kEnd - kFirst)), next_(start_) {}

    // Takes a range of `count` numbers that nobody has, and returns its first. 0 if there is no such range.
    uint64_t take(uint64_t count);
    // Gives back the range that begins with `first`.
    void giveBack(uint64_t first) { taken_.erase(first); }
    // Whether somebody has or had the number.
    bool wasTaken(uint64_t number) const;

  private:
    static uint64_t distance(uint64_t from, uint64_t to) {
        return to >= from ? to - from : to + (kEnd - kFirst) - from;
    }

    std::map<uint64_t, uint64_t> taken_;  // Ranges: the first number, and the one behind the last.
    const uint64_t start_;
    uint64_t next_;
    uint64_t used_ = 0;  // How many numbers from `start_` on somebody has or had.
};

}  // namespace daxkind
