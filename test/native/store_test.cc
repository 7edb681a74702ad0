// Moves and fills by every instruction of this processor: each alignment, each length, each overlap, and nothing beside
// the range is ever written.
#include "persist/store.h"

#include <sys/mman.h>

#include <cstring>
#include <string>
#include <vector>

#include "syscalls/mapping.h"
#include "tests.h"

namespace test {

using namespace daxkind;
using persist::Way;
using persist::WideStore;

namespace {

constexpr size_t kAlignments = 65;
constexpr size_t kLengths = 1025;

// Memory between two pages that cannot be touched.
class Fenced {
  public:
    explicit Fenced(size_t pages) : length_(pages * syscalls::pageSize()) {
        const size_t page = syscalls::pageSize();
        void* const at = mmap(nullptr, length_ + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(at != MAP_FAILED);
        base_ = static_cast<unsigned char*>(at) + page;
        CHECK(mprotect(base_, length_, PROT_READ | PROT_WRITE) == 0);
    }
    ~Fenced() { munmap(base_ - syscalls::pageSize(), length_ + 2 * syscalls::pageSize()); }
    unsigned char* base() const { return base_; }
    unsigned char* end() const { return base_ + length_; }
    size_t length() const { return length_; }

  private:
    const size_t length_;
    unsigned char* base_ = nullptr;
};

struct Manner {
    Way way;
    WideStore store;
    std::string name;
};

std::vector<Manner> manners() {
    std::vector<Manner> all = {{Way::kCached, WideStore::kNone, "cached"},
                               {Way::kFlushed, WideStore::kNone, "flushed"}};
    for (size_t index = 0; index < persist::kWideStores; index++) {
        const auto store = static_cast<WideStore>(index);
        if (persist::hasWideStore(store)) {
            all.push_back({Way::kPastCaches, store, "past the caches, store " + std::to_string(index)});
        }
    }
    return all;
}

// What memory holds before a call: no two neighbours are alike, and it differs from round to round.
void scribble(unsigned char* at, size_t length, unsigned salt) {
    for (size_t i = 0; i < length; i++) at[i] = static_cast<unsigned char>(i * 31 + (i >> 8) + salt);
}

void expectSame(const std::vector<unsigned char>& expected, const unsigned char* found) {
    if (std::memcmp(expected.data(), found, expected.size()) == 0) return;
    size_t at = 0;
    while (expected[at] == found[at]) at++;
    CHECK(false, "byte %zu is %d instead of %d", at, found[at], expected[at]);
}

void testAligned(const Manner& manner) {
    const Fenced source(1);
    const Fenced target(1);
    scribble(source.base(), source.length(), 7);
    std::vector<unsigned char> expected(2 * kAlignments + kLengths);
    for (size_t alignment = 0; alignment < kAlignments; alignment++) {
        for (size_t length = 0; length < kLengths; length++) {
            // The source has each alignment to the target in turn.
            const size_t from = (alignment * 7 + length) % kAlignments;
            scribble(target.base(), expected.size(), static_cast<unsigned>(length));
            std::memcpy(expected.data(), target.base(), expected.size());
            std::memcpy(expected.data() + alignment, source.base() + from, length);
            persist::move(target.base() + alignment, source.base() + from, length, manner.way, manner.store);
            expectSame(expected, target.base());
            const auto value = static_cast<unsigned char>(length + 1);
            std::memset(expected.data() + alignment, value, length);
            persist::fill(target.base() + alignment, value, length, manner.way, manner.store);
            expectSame(expected, target.base());
        }
    }
}

// At both ends of memory, over borders of pages, and over those of huge pages.
void testBorders(const Manner& manner) {
    const size_t huge = 2 << 20;
    const Fenced target(2 * huge / syscalls::pageSize() + 1);
    const auto misaligned = reinterpret_cast<uintptr_t>(target.base()) % huge;
    unsigned char* const hugeBorder = target.base() + (huge - misaligned);
    for (size_t length = 0; length < 300; length++) {
        std::vector<unsigned char> bytes(length);
        scribble(bytes.data(), length, static_cast<unsigned>(length));
        unsigned char* const places[] = {target.base(), target.end() - length, hugeBorder - length / 2,
                                         target.base() + syscalls::pageSize() - length / 3};
        for (unsigned char* const at : places) {
            persist::move(at, bytes.data(), length, manner.way, manner.store);
            CHECK(length == 0 || std::memcmp(at, bytes.data(), length) == 0, "of %zu bytes", length);
        }
    }
}

void testOverlaps(const Manner& manner) {
    const Fenced memory(1);
    std::vector<unsigned char> expected(2000);
    for (int distance = -200; distance <= 200; distance++) {
        for (size_t length : {0, 1, 63, 64, 65, 127, 128, 200, 256, 511, 1000}) {
            for (size_t at : {300, 320, 383}) {
                scribble(memory.base(), expected.size(), static_cast<unsigned>(length));
                std::memcpy(expected.data(), memory.base(), expected.size());
                const size_t to = at + static_cast<size_t>(200 + distance);
                std::memmove(expected.data() + to, expected.data() + at + 200, length);
                persist::move(memory.base() + to, memory.base() + at + 200, length, manner.way, manner.store);
                expectSame(expected, memory.base());
            }
        }
    }
}

}  // namespace

void testStores(const Options&) {
    for (const Manner& manner : manners()) {
        context() = "stores: " + manner.name;
        testAligned(manner);
        testBorders(manner);
        testOverlaps(manner);
        std::printf("stores: %s\n", manner.name.c_str());
    }
}

}  // namespace test
