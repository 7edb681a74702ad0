#include "heap/raw_numbers.h"

#include <algorithm>
#include <iterator>

namespace daxkind {

uint64_t RawNumbers::take(uint64_t count) {
    uint64_t first = next_;
    for (int rounds = 0; rounds < 2;) {
        if (count > kEnd - first) {
            first = kFirst;
            rounds++;
            continue;
        }
        // `behind` is the next range that begins behind `first`. The one before it may contain `first`.
        auto behind = taken_.upper_bound(first);
        if (behind != taken_.begin() && std::prev(behind)->second > first) {
            first = std::prev(behind)->second;
            continue;
        }
        if (behind != taken_.end() && behind->first - first < count) {
            first = behind->second;
            continue;
        }
        taken_[first] = first + count;
        next_ = first + count;
        const uint64_t used = distance(start_, next_);
        // If it is less than before, it has passed the start again.
        used_ = used < used_ ? kEnd - kFirst : used;
        return first;
    }
    return 0;
}

bool RawNumbers::wasTaken(uint64_t number) const {
    return number >= kFirst && number < kEnd && distance(start_, number) < used_;
}

}  // namespace daxkind
