// Random rounds on regions of every shape, and on the files of pmem kinds.
#include <sys/mman.h>

#include <algorithm>
#include <cstdio>

#include "fake_clock.h"
#include "fake_region.h"
#include "region/pmem_file.h"
#include "round.h"
#include "tests.h"

namespace test {

using namespace daxkind;

namespace {

using Long = unsigned long long;
constexpr uint64_t kKiB = 1024;
constexpr uint64_t kMiB = 1024 * kKiB;
constexpr uint64_t kGiB = 1024 * kMiB;
constexpr uint64_t kTiB = 1024 * kGiB;

Plan choosePlan(Random* random) {
    Plan plan;
    plan.unitShift = static_cast<uint32_t>(10 + random->below(5));
    const uint64_t shape = random->below(100);
    if (shape < 40) {
        plan.capacity = (1 + random->below(16)) * kChunkSize;
    } else if (shape < 60) {
        plan.capacity = random->magnitude(kGiB / kChunkSize) * kChunkSize;
    } else if (shape < 70) {
        // A few segments.
        plan.capacity = (kGiB / 2 + random->below(4 * kGiB)) / kChunkSize * kChunkSize;
    } else if (shape < 74) {
        plan.capacity = (kTiB / 2 + random->below(4 * kTiB)) / kChunkSize * kChunkSize;
        plan.unitShift = 0;
    } else {
        // Somebody else's range may have any length.
        plan.isElastic = false;
        plan.capacity = random->magnitude(256 * kMiB);
    }
    plan.isConservative = random->percent(25);
    plan.decayMs = random->percent(50) ? 0 : static_cast<uint32_t>(1 + random->below(100));
    plan.isRaw = random->percent(30);
    plan.hasLosses = random->percent(30);
    plan.users = random->percent(60) ? 1 : 2 + static_cast<uint32_t>(random->below(2));
    if (!plan.isElastic) return plan;
    if (random->percent(40)) plan.room = random->below(plan.capacity + 1);
    if (random->percent(25)) plan.commitFailures = 1 + static_cast<uint32_t>(random->below(50));
    // When a region fails to take storage back, the heap does not know what has storage.
    if (!plan.hasLosses && random->percent(25)) plan.decommitFailures = 1 + static_cast<uint32_t>(random->below(50));
    return plan;
}

}  // namespace

void testModel(const Options& options) {
    forRounds("model", options, [&](uint64_t seed) {
        Random random(seed);
        const Plan plan = choosePlan(&random);
        if (options.verbose) {
            std::printf("capacity %llu, elastic %d, unit shift %u, conservative %d, caches %u, room %llu\n",
                        (Long)plan.capacity, plan.isElastic, plan.unitShift, plan.isConservative, plan.users,
                        (Long)plan.room);
        }
        FakeRegion region({plan.capacity, plan.isElastic}, random.next());
        region.room = plan.room;
        region.commitFailures = plan.commitFailures;
        region.decommitFailures = plan.decommitFailures;
        const StoppedClock clock;
        Round(plan, &region, random, options.verbose).run();
    });
}

void testFile(const Options& options) {
    forRounds("file", options, [&](uint64_t seed) {
        Random random(seed);
        Plan plan;
        plan.isConservative = random.percent(25);
        plan.decayMs = random.percent(50) ? 0 : static_cast<uint32_t>(1 + random.below(100));
        plan.users = 2;
        plan.operations = 1000;
        PmemFileOptions file;
        file.directory = options.directory.c_str();
        file.capacity = (8 + random.below(24)) * kChunkSize;
        const char* failedCall = "";
        PmemFileRegion region;
        const int error = region.open(file, &failedCall);
        CHECK(error == 0, "%s in %s: errno %d", failedCall, file.directory, -error);
        const StoppedClock clock;
        Round(plan, &region, random, options.verbose).run();
        // Only what scripts have seen stays mapped.
        const bool isShown = random.percent(50);
        if (isShown) region.show(0, 1);
        region.retire();
        // msync of pages that are not mapped is ENOMEM.
        CHECK((msync(region.base(), 1, MS_ASYNC) == 0) == isShown,
              "memory that was shown is not mapped, or other memory is");
        CHECK(!isShown || region.base()[0] == 0, "retired memory does not read as zeros");
    });
}

}  // namespace test
