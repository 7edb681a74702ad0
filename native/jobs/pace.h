// How much a step of a long job does: as much as takes some milliseconds, judged by the last step. Steps are short
// because a system call that cannot be interrupted delays the end of its process, and everybody who waits for a lock
// that its thread holds.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace daxkind {

class Pace {
  public:
    // `least` and `most` are bytes. `most` limits how long others wait for a step when the work becomes a hundred times
    // slower from one step to the next.
    Pace(uint64_t least, uint64_t most) : least_(least), most_(most), size_(least) {}

    // How much the next step should do, in bytes.
    uint64_t size() const { return size_; }

    // A step of `bytes` bytes has taken this much time.
    void note(uint64_t bytes, std::chrono::steady_clock::duration time) {
        if (time > kTarget) size_ = std::max(least_, size_ / 2);
        if (time < kTarget / 2 && bytes >= size_) size_ = std::min(most_, size_ * 2);
    }

    // Does one step and measures it: `work` takes the number of bytes.
    template <typename Work>
    auto step(Work work) {
        const uint64_t bytes = size_;
        const auto start = std::chrono::steady_clock::now();
        const auto result = work(bytes);
        note(bytes, std::chrono::steady_clock::now() - start);
        return result;
    }

  private:
    static constexpr std::chrono::milliseconds kTarget{8};

    uint64_t least_;
    uint64_t most_;
    uint64_t size_;
};

}  // namespace daxkind
