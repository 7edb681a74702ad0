// Making kinds and prefaulting them: what they are afterwards. Whatever system call fails, the error names it, and
// nothing is left behind. Kinds end on this thread here, because the calls that fail are counted for this thread alone.
#include "kind/making.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "cache_user.h"
#include "faults.h"
#include "syscalls/sizes.h"
#include "tests.h"

namespace test {

using namespace daxkind;
using faults::Call;

namespace {

PmemKindRequest requestIn(const std::string& directory, uint64_t maxSize) {
    PmemKindRequest request;
    request.directory = directory;
    request.maxSize = maxSize;
    return request;
}

std::shared_ptr<Kind> made(const PmemKindRequest& request) {
    std::shared_ptr<Kind> kind;
    const char* failedCall = "nothing";
    const int error = makePmemKind(request, &kind, &failedCall);
    CHECK(error == 0, "%s gave %d", failedCall, error);
    return kind;
}

void takeFrom(Kind& kind) {
    CacheUser user(&kind.heap, kind.region->capacity());
    CHECK(user.join() == 0);
    Block block;
    CHECK(user.take(100'000, &block) == 0);
    std::memset(kind.region->base() + block.offset, 1, block.bytes);
    CHECK(user.give(block) == 0);
}

void makeInDirectory(const Options& options) {
    const Kind::AtOnce atOnce;
    PmemKindRequest request = requestIn(options.directory, 16 * kMiB);
    request.debug = true;
    const std::shared_ptr<Kind> kind = made(request);
    CHECK(kind->number == 0, "a kind that nobody registered has a number");
    CHECK(kind->region->capacity() == 16 * kMiB && kind->heap.stats().capacity == 16 * kMiB);
    CHECK(kind->description.type == std::string("pmem") && kind->description.path == options.directory);
    CHECK(kind->description.debug && !kind->description.sync && kind->description.room >= 16 * kMiB);
    CHECK(kind->heap.stats().committed == 0 && kind->region->resident() == 0);
    takeFrom(*kind);
}

void failWithoutDirectory(const Options& options) {
    std::shared_ptr<Kind> kind;
    const char* failedCall = "nothing";
    const PmemKindRequest request = requestIn(options.directory + "/daxkind-missing", 16 * kMiB);
    const int error = makePmemKind(request, &kind, &failedCall);
    CHECK(error == -ENOENT && failedCall == std::string("open") && kind == nullptr, "%s gave %d", failedCall, error);
}

// Makes something again and again. Each time the next call of one sort fails. `make` gives its error.
template <typename Make>
uint32_t failEach(Call call, int error, Make make) {
    uint32_t failures = 0;
    for (uint32_t nth = 1;; nth++) {
        context() = std::string("making (") + faults::name(call) + " number " + std::to_string(nth) + " by errno " +
                    std::to_string(error) + ")";
        const Kind::AtOnce atOnce;
        faults::openLedger();
        faults::arm({{call, nth, error, false}});
        const char* failedCall = "nothing";
        const int result = make(&failedCall);
        const uint32_t failed = faults::disarm();
        CHECK(result == 0 || (result == -error && failedCall == std::string(faults::name(call))), "%s gave %d",
              failedCall, result);
        CHECK(faults::left().empty(), "left behind:%s", faults::left().c_str());
        faults::closeLedger();
        if (result != 0) failures++;
        if (failed == 0) return failures;
    }
}

void failToMake(const Options& options) {
    const PmemKindRequest request = requestIn(options.directory, 16 * kMiB);
    const struct {
        Call call;
        int error;
    } sorts[] = {{Call::kOpen, EMFILE},
                 {Call::kStatx, EIO},
                 {Call::kFtruncate, EFBIG},
                 {Call::kMmap, ENOMEM},
                 {Call::kMadvise, ENOMEM}};
    for (const auto& [call, error] : sorts) {
        const uint32_t failures = failEach(call, error, [&](const char** failedCall) {
            std::shared_ptr<Kind> kind;
            const int result = makePmemKind(request, &kind, failedCall);
            CHECK((result == 0) == (kind != nullptr));
            return result;
        });
        CHECK(failures > 0, "no failing %s prevented a kind", faults::name(call));
    }
    PmemKindRequest whole = request;
    whole.maxSize = 0;
    const uint32_t failures = failEach(Call::kFstatfs, EIO, [&](const char** failedCall) {
        std::shared_ptr<Kind> kind;
        return makePmemKind(whole, &kind, failedCall);
    });
    CHECK(failures == 1);
}

void makeInMapping() {
    const Kind::AtOnce atOnce;
    constexpr uint64_t kLength = 4 * kMiB;
    void* const base = mmap(nullptr, kLength, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(base != MAP_FAILED);
    const auto users = std::make_shared<std::atomic<int>>(0);
    FixedKindRequest request;
    request.base = static_cast<char*>(base);
    request.file = {1, 2, 3, 0, kLength};
    request.users = users;
    request.path = "a mapping";
    std::shared_ptr<Kind> kind;
    const char* failedCall = "nothing";
    CHECK(makeFixedKind(request, &kind, &failedCall) == 0 && *users == 1);
    CHECK(kind->description.type == std::string("fixed") && kind->description.path == "a mapping");
    CHECK(kind->region->base() == base && kind->region->capacity() == kLength);
    takeFrom(*kind);

    // This overlaps the last byte of the file's part, in a mapping elsewhere.
    FixedKindRequest overlapping = request;
    overlapping.file.from = kLength - 1;
    overlapping.file.to = 2 * kLength;
    std::shared_ptr<Kind> second;
    CHECK(makeFixedKind(overlapping, &second, &failedCall) == -EBUSY && second == nullptr && *users == 1);
    CHECK(failedCall == std::string(), "the error names %s", failedCall);
    kind.reset();
    CHECK(*users == 0);

    const uint32_t failures = failEach(Call::kMmap, ENOMEM, [&](const char** failedCall) {
        std::shared_ptr<Kind> made;
        return makeFixedKind(request, &made, failedCall);
    });
    CHECK(failures > 0 && *users == 0);
    munmap(base, kLength);
}

bool isResident(const Region& region) {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    std::vector<unsigned char> pages(region.capacity() / page);
    CHECK(mincore(region.base(), region.capacity(), pages.data()) == 0);
    return std::all_of(pages.begin(), pages.end(), [](unsigned char each) { return (each & 1) != 0; });
}

void prefaultAll(const Options& options) {
    const Kind::AtOnce atOnce;
    const uint64_t capacity = 64 * kMiB;
    PmemKindRequest request = requestIn(options.directory, capacity);
    request.conservative = true;
    const std::shared_ptr<Kind> kind = made(request);
    Prefault prefault(kind);
    JobControl control;
    const char* failedCall = "nothing";
    double before = 0;
    int result;
    while ((result = prefault.step(control, &failedCall)) == kMore) {
        CHECK(control.done > before && control.done < capacity && control.total == capacity);
        before = control.done;
    }
    CHECK(result == 0, "%s gave %d", failedCall, result);
    CHECK(before > 0, "everything was done in one step");
    CHECK(control.done == capacity && control.total == capacity);
    CHECK(kind->heap.stats().committed == capacity && isResident(*kind->region));
    CHECK(kind->region->resident() >= static_cast<int64_t>(capacity));

    // The kind keeps the storage. It goes back only when somebody asks for that.
    takeFrom(*kind);
    while (kind->heap.decay(true).nextInMs == 0) continue;
    CHECK(kind->heap.stats().committed == capacity);
    uint64_t given = 0;
    while (const uint64_t bytes = kind->heap.purgeSome(UINT64_MAX)) given += bytes;
    CHECK(given == capacity && kind->heap.stats().committed == 0 && kind->region->resident() == 0);
}

// The caller makes only some of the steps, as when a job is aborted. What they did not reach is not committed.
void prefaultInPart(const Options& options) {
    const Kind::AtOnce atOnce;
    const std::shared_ptr<Kind> kind = made(requestIn(options.directory, 64 * kMiB));
    JobControl control;
    {
        Prefault prefault(kind);
        const char* failedCall = "nothing";
        CHECK(prefault.step(control, &failedCall) == kMore);
    }
    CHECK(control.done > 0 && kind->heap.stats().committed == control.done);
    takeFrom(*kind);
}

void failToPrefault(const Options& options) {
    const struct {
        Call call;
        int error;
    } sorts[] = {{Call::kFallocate, ENOSPC}, {Call::kMadvise, ENOMEM}};
    for (const auto& [call, error] : sorts) {
        const uint32_t failures = failEach(call, error, [&](const char** failedCall) {
            std::shared_ptr<Kind> kind;
            {
                const faults::Truce truce;
                kind = made(requestIn(options.directory, 16 * kMiB));
            }
            Prefault prefault(kind);
            JobControl control;
            int result;
            do result = prefault.step(control, failedCall);
            while (result == kMore);
            const faults::Truce truce;
            if (result != 0) CHECK(control.done < kind->region->capacity());
            takeFrom(*kind);
            return result;
        });
        CHECK(failures > 0, "no failing %s prevented the faulting in of a kind", faults::name(call));
    }
}

}  // namespace

void testMaking(const Options& options) {
    context() = "making";
    makeInDirectory(options);
    failWithoutDirectory(options);
    makeInMapping();
    failToMake(options);
    context() = "making";
    prefaultAll(options);
    prefaultInPart(options);
    failToPrefault(options);
    std::printf("making: done\n");
}

}  // namespace test
