// The ranges of addresses that the guard watches, and the parts of each that zeros have replaced. The SIGBUS handler
// finds a range and changes it without a lock of libc's and without allocating anything. Other threads may add, remove
// and read ranges at the same time.
//
// The books of a range say what it has lost, by granules. A granule is the smallest part that can be replaced: a page,
// or for a device the unit that its mappings are multiples of. The books are made with the first loss.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "syscalls/lazy_array.h"

namespace daxkind::guard {

// A part of a range, in bytes from its start.
struct Part {
    uint64_t offset = 0;
    uint64_t length = 0;
    // Whether the kernel called it a memory error (BUS_MCEERR_AR). DAX does so from Linux 6.2 on. Before that, the
    // signal is the same as where there is no page because the file was truncated, its file system is full, or the
    // device is gone.
    bool isPoisoned = false;
};

class Watched {
  public:
    // Whether the address is in the range. If it is, the range stays until leave() is called.
    bool enter(uintptr_t address);
    void leave() { users_.fetch_sub(1); }
    uintptr_t from() const { return from_; }
    uintptr_t to() const { return to_; }

    // Puts zeros in place of the granule that the address is in, unless another thread has just done so. If very many
    // places are lost already, everything between the lost place before it and this granule is replaced, too. False if
    // the kernel refuses. Called by the signal handler, with all signals blocked.
    bool replace(uintptr_t address, bool isPoisoned);
    // Whether something in this part is lost. The caller has entered, or owns the range. That holds for the calls
    // below, too.
    bool hasLost(uint64_t offset, uint64_t length) const;
    // All that is lost, in order.
    std::vector<Part> allLost() const;
    bool hasNews() const { return hasNews_; }
    // What has been lost since the last call of this function, in order.
    std::vector<Part> takeNews();
    // Calls back(address, offset, length) for each lost piece of a part. Where that gives 0, it has mapped again what
    // was there, and the piece is not lost any more. Gives 0, or the first error of a call.
    int restore(uint64_t offset, uint64_t length, const std::function<int(char*, uint64_t, uint64_t)>& back);

    // Called by the owner of the range. `granule` is a multiple of the page size.
    void open(void* base, uint64_t length, uint64_t granule);
    // Nobody can enter from now on, and nobody is inside when it returns.
    void close();

  private:
    // Held for some microseconds. The thread that takes it has blocked all signals, because a handler of the same
    // thread would wait for ever.
    class Lock;

    // The bits of a granule are in three consecutive words: lost, untold (takeNews), poisoned.
    enum Sort : uint64_t { kLost, kUntold, kPoisoned, kSorts };
    std::atomic<uint64_t>& word(Sort sort, uint64_t index) { return books_[index / 64 * kSorts + sort]; }
    uint64_t bits(Sort sort, uint64_t index) const { return books_[index / 64 * kSorts + sort]; }
    bool has(Sort sort, uint64_t index) const { return (bits(sort, index) >> (index % 64) & 1) != 0; }
    uint64_t granules() const { return (to_ - from_ + granule_ - 1) / granule_; }
    // Adds a lost granule to the parts.
    void append(std::vector<Part>* parts, uint64_t index) const;
    bool openBooks();
    // How many of the two granules next to these are lost.
    int lostBeside(uint64_t first, uint64_t end) const;
    void countPieces(int more);
    // Puts zeros in place of these granules. False if the kernel refuses.
    bool mapZeros(uint64_t first, uint64_t last);

    std::atomic<uintptr_t> from_{0};  // 0: there is no range.
    std::atomic<uintptr_t> to_{0};
    std::atomic<uint32_t> users_{0};
    std::atomic<bool> isLocked_{false};
    uint64_t granule_ = 1;
    syscalls::LazyArray<std::atomic<uint64_t>> books_;
    uint64_t pieces_ = 0;            // Lost places that are separated by places that are not lost.
    std::atomic<uint64_t> lost_{0};  // Granules. While it is 0, there may be no books.
    // The granules in which takeNews() has to look.
    std::atomic<bool> hasNews_{false};
    uint64_t newsFrom_ = UINT64_MAX;
    uint64_t newsTo_ = 0;
};

// A new range. Null if there are too many: a process can have 2^18.
Watched* addWatched(void* base, uint64_t length, uint64_t granule);
// Nobody may use the range any more.
void removeWatched(Watched* range);
// Enters the range that the address is in, and gives it. Null if there is none. The signal handler calls it, too.
Watched* enterAt(uintptr_t address);
// Whether any granule of any range is lost.
bool isAnythingLost();

}  // namespace daxkind::guard
