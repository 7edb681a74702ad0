// The ranges of addresses that the guard answers for, and what of each has been replaced by zeros. The SIGBUS handler
// finds a range and changes it without a lock of libc's and without allocating anything; whoever adds, removes or reads
// one does so beside that.
//
// What a range has lost is kept in books, by granules: the smallest part that can be replaced, a page or what a
// device's mappings are multiples of. The books are made with the first loss.
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
    // Whether the kernel called it a memory error (BUS_MCEERR_AR). DAX does so from Linux 6.2 on; before, the signal
    // was the same as where there is no page: the file has been truncated, its file system is full, the device is gone.
    bool isPoisoned = false;
};

class Watched {
  public:
    // Whether the address is in the range; if so, the range stays until leave() is called.
    bool enter(uintptr_t address);
    void leave() { users_.fetch_sub(1); }
    uintptr_t from() const { return from_; }
    uintptr_t to() const { return to_; }

    // Puts zeros in place of the granule that the address is in, unless another thread has just done so. Where very
    // many places are lost, all up to the one before it goes with it. False if the kernel refuses that. For the signal
    // handler: all signals are blocked.
    bool replace(uintptr_t address, bool isPoisoned);
    // Whether something in this part is lost. Who calls it has entered, or owns the range; so for the calls below.
    bool hasLost(uint64_t offset, uint64_t length) const;
    // All that is lost, in order.
    std::vector<Part> allLost() const;
    bool hasNews() const { return hasNews_; }
    // What was lost since this was called before, in order.
    std::vector<Part> takeNews();
    // Calls back(address, offset, length) for each lost piece of a part. Where that gives 0, what was mapped there is
    // back, and the piece is not lost any more. 0, or the first error of a call.
    int restore(uint64_t offset, uint64_t length, const std::function<int(char*, uint64_t, uint64_t)>& back);

    // For who owns the range; `granule` is a multiple of the page size.
    void open(void* base, uint64_t length, uint64_t granule);
    // From now on nobody enters, and nobody is inside.
    void close();

  private:
    // Held for some microseconds. Whoever takes it has blocked all signals: a handler of the same thread would wait for
    // ever.
    class Lock;

    // A granule's bits are in three words one behind the other: lost, untold (takeNews), poisoned.
    enum Sort : uint64_t { kLost, kUntold, kPoisoned, kSorts };
    std::atomic<uint64_t>& word(Sort sort, uint64_t index) { return books_[index / 64 * kSorts + sort]; }
    uint64_t bits(Sort sort, uint64_t index) const { return books_[index / 64 * kSorts + sort]; }
    bool has(Sort sort, uint64_t index) const { return (bits(sort, index) >> (index % 64) & 1) != 0; }
    uint64_t granules() const { return (to_ - from_ + granule_ - 1) / granule_; }
    // Adds a lost granule to the parts.
    void append(std::vector<Part>* parts, uint64_t index) const;
    bool openBooks();
    // How many of the two granules beside these are lost.
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
    uint64_t pieces_ = 0;            // Lost places with others between them that are not.
    std::atomic<uint64_t> lost_{0};  // Granules; while it is 0 there may be no books.
    // In which granules takeNews() has to look.
    std::atomic<bool> hasNews_{false};
    uint64_t newsFrom_ = UINT64_MAX;
    uint64_t newsTo_ = 0;
};

// A new range. Null where there are too many; in one process there can be 2^18.
Watched* addWatched(void* base, uint64_t length, uint64_t granule);
// It must be nobody's any more.
void removeWatched(Watched* range);
// The range that the address is in, entered; null if there is none. For the signal handler, too.
Watched* enterAt(uintptr_t address);
// Whether any granule of any range is lost.
bool isAnythingLost();

}  // namespace daxkind::guard
