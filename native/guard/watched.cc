#include "guard/watched.h"

#include <sched.h>
#include <sys/mman.h>

#include <algorithm>
#include <fstream>
#include <mutex>
#include <new>

#include "syscalls/blocked_signals.h"

namespace daxkind::guard {

namespace {

constexpr uint32_t kBlockSize = 256;
constexpr uint32_t kBlocks = 1024;

std::atomic<uint64_t> lostEverywhere{0};
// Lost places that are separated by places that are not lost. Each takes two mappings more.
std::atomic<uint64_t> piecesEverywhere{0};

// Ranges never move and are never freed, so that a handler can look at them at any time. A new block of ranges is made
// when all ranges of the blocks before are in use.
struct Table {
    std::atomic<Watched*> blocks[kBlocks] = {};
    std::atomic<uint32_t> made{0};
    // How many mappings the process may have.
    uint64_t mostMappings = 65530;
    // Held to use what is below, and to add or remove a range.
    std::mutex mutex;
    std::vector<Watched*> unused;

    Table() {
        std::ifstream file("/proc/sys/vm/max_map_count");
        if (uint64_t most; file >> most) mostMappings = most;
    }
};

Table& table() {
    static Table* const only = new Table();
    return *only;
}

// The table is made before there is a handler.
Table* const theTable = &table();

// At most half of the mappings that the process may have are the guard's. A process that cannot map anything any more
// is at its end.
uint64_t mostPieces() {
    return theTable->mostMappings / 4;
}

}  // namespace

class Watched::Lock {
  public:
    explicit Lock(Watched& range) : range_(range) {
        while (range_.isLocked_.exchange(true, std::memory_order_acquire)) sched_yield();
    }
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;
    ~Lock() { range_.isLocked_.store(false, std::memory_order_release); }

  private:
    Watched& range_;
};

// ---- A range --------------------------------------------------------------------------------------------------------

void Watched::open(void* base, uint64_t length, uint64_t granule) {
    granule_ = granule;
    const auto from = reinterpret_cast<uintptr_t>(base);
    to_ = from + length;
    from_ = from;
}

void Watched::close() {
    from_ = 0;
    to_ = 0;
    while (users_ != 0) sched_yield();
    lostEverywhere -= lost_;
    piecesEverywhere -= pieces_;
    pieces_ = 0;
    books_.close();
    lost_ = 0;
    hasNews_ = false;
    newsFrom_ = UINT64_MAX;
    newsTo_ = 0;
}

// A thread that has entered finds the same range until it leaves, because close() waits for it and nobody opens another
// range before that. So enter() looks at both ends once more after it has counted itself.
bool Watched::enter(uintptr_t address) {
    if (address < from_.load(std::memory_order_relaxed) || address >= to_.load(std::memory_order_relaxed)) return false;
    users_.fetch_add(1);
    const uintptr_t from = from_;
    if (from != 0 && address >= from && address < to_) return true;
    users_.fetch_sub(1);
    return false;
}

bool Watched::openBooks() {
    return books_.isOpen() || books_.reserve((granules() + 63) / 64 * kSorts) == 0;
}

bool Watched::replace(uintptr_t address, bool isPoisoned) {
    const Lock lock(*this);
    const uint64_t index = (address - from_) / granule_;
    if (!openBooks()) return false;
    if (has(kLost, index)) return true;
    uint64_t first = index;
    int neighbours = lostBeside(index, index + 1);
    if (neighbours == 0 && piecesEverywhere >= mostPieces()) {
        // A piece that begins where another one ends takes no further mappings.
        while (first > 0 && !has(kLost, first - 1)) first--;
        if (first == 0) first = index;
        neighbours = first < index ? 1 : 0;
    }
    // Another thread that sees the zeros must find the mark already.
    const uint64_t count = index - first + 1;
    const auto mark = [&](bool isLost) {
        for (uint64_t at = first; at <= index; at++) {
            const uint64_t bit = uint64_t{1} << (at % 64);
            if (isLost)
                word(kLost, at) |= bit;
            else
                word(kLost, at) &= ~bit;
        }
    };
    lost_ += count;
    lostEverywhere += count;
    mark(true);
    if (!mapZeros(first, index)) {
        mark(false);
        lost_ -= count;
        lostEverywhere -= count;
        return false;
    }
    countPieces(1 - neighbours);
    for (uint64_t at = first; at <= index; at++) {
        const uint64_t bit = uint64_t{1} << (at % 64);
        if (isPoisoned) word(kPoisoned, at) |= bit;
        word(kUntold, at) |= bit;
    }
    newsFrom_ = std::min(newsFrom_, first);
    newsTo_ = std::max(newsTo_, index + 1);
    hasNews_ = true;
    return true;
}

int Watched::lostBeside(uint64_t first, uint64_t end) const {
    return (first > 0 && has(kLost, first - 1) ? 1 : 0) + (end < granules() && has(kLost, end) ? 1 : 0);
}

void Watched::countPieces(int more) {
    pieces_ += static_cast<uint64_t>(more);
    piecesEverywhere += static_cast<uint64_t>(more);
}

bool Watched::mapZeros(uint64_t first, uint64_t last) {
    const uintptr_t at = from_ + first * granule_;
    const uint64_t length = std::min<uint64_t>((last - first + 1) * granule_, to_ - at);
    // If the kernel refuses the call, the place is as it was (mm/mmap.c looks at the limits first). The exception is
    // strict overcommit before 6.12: nothing is there afterwards.
    const int flags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    return mmap(reinterpret_cast<void*>(at), length, PROT_READ | PROT_WRITE, flags, -1, 0) != MAP_FAILED;
}

bool Watched::hasLost(uint64_t offset, uint64_t length) const {
    if (lost_ == 0 || length == 0) return false;
    const uint64_t end = (offset + length - 1) / granule_ + 1;
    for (uint64_t index = offset / granule_; index < end; index++) {
        if (bits(kLost, index) == 0)
            index |= 63;
        else if (has(kLost, index))
            return true;
    }
    return false;
}

void Watched::append(std::vector<Part>* parts, uint64_t index) const {
    const uint64_t offset = index * granule_;
    const uint64_t length = std::min<uint64_t>(granule_, to_ - from_ - offset);
    const bool isPoisoned = has(kPoisoned, index);
    if (!parts->empty() && parts->back().offset + parts->back().length == offset &&
        parts->back().isPoisoned == isPoisoned) {
        parts->back().length += length;
    } else {
        parts->push_back({offset, length, isPoisoned});
    }
}

std::vector<Part> Watched::allLost() const {
    std::vector<Part> parts;
    if (lost_ == 0) return parts;
    for (uint64_t index = 0; index < granules(); index++) {
        if (bits(kLost, index) == 0)
            index |= 63;
        else if (has(kLost, index))
            append(&parts, index);
    }
    return parts;
}

std::vector<Part> Watched::takeNews() {
    std::vector<Part> parts;
    if (!hasNews_) return parts;
    uint64_t index;
    uint64_t end;
    {
        const syscalls::BlockedSignals blocked;
        const Lock lock(*this);
        index = newsFrom_;
        end = newsTo_;
        newsFrom_ = UINT64_MAX;
        newsTo_ = 0;
        hasNews_ = false;
    }
    for (; index < end; index++) {
        const uint64_t bit = uint64_t{1} << (index % 64);
        if (bits(kUntold, index) == 0)
            index |= 63;
        else if ((word(kUntold, index).fetch_and(~bit) & bit) != 0)
            append(&parts, index);
    }
    return parts;
}

int Watched::restore(uint64_t offset, uint64_t length, const std::function<int(char*, uint64_t, uint64_t)>& back) {
    if (lost_ == 0) return 0;
    const syscalls::BlockedSignals blocked;
    const Lock lock(*this);
    int status = 0;
    const uint64_t end = (offset + length - 1) / granule_ + 1;
    for (uint64_t index = offset / granule_; index < end;) {
        uint64_t to = index;
        while (to < end && has(kLost, to)) to++;
        if (to == index) {
            index = bits(kLost, index) == 0 ? (index | 63) + 1 : index + 1;
            continue;
        }
        const uint64_t at = index * granule_;
        const uint64_t bytes = std::min<uint64_t>(to * granule_, to_ - from_) - at;
        const int error = back(reinterpret_cast<char*>(from_.load()) + at, at, bytes);
        if (error != 0) {
            if (status == 0) status = error;
            index = to;
            continue;
        }
        countPieces(lostBeside(index, to) - 1);
        for (; index < to; index++) {
            const uint64_t bit = uint64_t{1} << (index % 64);
            for (const Sort sort : {kLost, kUntold, kPoisoned}) word(sort, index) &= ~bit;
            lost_--;
            lostEverywhere--;
        }
    }
    return status;
}

// ---- All ranges -----------------------------------------------------------------------------------------------------

Watched* addWatched(void* base, uint64_t length, uint64_t granule) {
    Table& all = table();
    const std::lock_guard<std::mutex> lock(all.mutex);
    if (all.unused.empty()) {
        const uint32_t made = all.made;
        if (made == kBlocks * kBlockSize) return nullptr;
        try {
            // Reserves room for all ranges that there are, because removeWatched may not throw.
            all.unused.reserve(made + 1);
            if (made % kBlockSize == 0) all.blocks[made / kBlockSize] = new Watched[kBlockSize];
        } catch (const std::bad_alloc&) {
            return nullptr;
        }
        all.unused.push_back(&all.blocks[made / kBlockSize].load()[made % kBlockSize]);
        all.made = made + 1;
    }
    Watched* const range = all.unused.back();
    all.unused.pop_back();
    range->open(base, length, granule);
    return range;
}

void removeWatched(Watched* range) {
    range->close();
    Table& all = table();
    const std::lock_guard<std::mutex> lock(all.mutex);
    all.unused.push_back(range);
}

Watched* enterAt(uintptr_t address) {
    const uint32_t made = theTable->made;
    for (uint32_t index = 0; index < made; index++) {
        Watched* const range =
            &theTable->blocks[index / kBlockSize].load(std::memory_order_relaxed)[index % kBlockSize];
        if (range->enter(address)) return range;
    }
    return nullptr;
}

bool isAnythingLost() {
    return lostEverywhere != 0;
}

}  // namespace daxkind::guard
