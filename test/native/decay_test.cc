// The end of a kind's decay. From then on nobody calls the heap and nobody keeps it. The thread that ends the decay
// waits only a moment for a call that is under way.
#include "kind/decay.h"

#include <atomic>
#include <chrono>
#include <cstdio>
#include <memory>
#include <thread>

#include "cache_user.h"
#include "fake_region.h"
#include "kind/registry.h"
#include "kinds.h"
#include "syscalls/sizes.h"
#include "tests.h"

namespace test {

using namespace daxkind;
using std::chrono::milliseconds;

namespace {

// What a test sees of a region while another thread may be giving storage back.
struct Watched {
    std::atomic<bool> isHeldUp{false};  // While it is true, giving storage back does not return.
    std::atomic<int> calls{0};          // How often giving storage back has begun.
    std::atomic<bool> isGone{false};
};

class WatchedRegion final : public FakeRegion {
  public:
    explicit WatchedRegion(Watched* watched) : FakeRegion({64 * kMiB, true}, 1), watched_(watched) {}
    ~WatchedRegion() override { watched_->isGone = true; }
    int decommit(uint64_t offset, uint64_t length) override {
        watched_->calls++;
        while (watched_->isHeldUp) std::this_thread::sleep_for(milliseconds(1));
        return FakeRegion::decommit(offset, length);
    }

  private:
    Watched* const watched_;
};

// A kind whose free memory goes back at once.
std::shared_ptr<Kind> decayingKind(Watched* watched) {
    HeapOptions options;
    options.decayMs = 0;
    std::shared_ptr<Kind> kind = makeKind(std::make_shared<WatchedRegion>(watched), options);
    registerKind(kind);
    CHECK(kind->decay != nullptr);
    return kind;
}

void takeAndGive(Kind& kind) {
    CacheUser user(&kind.heap, kind.region->capacity());
    CHECK(user.join() == 0);
    Block block;
    CHECK(user.take(8 * kMiB, &block) == 0);
    CHECK(user.giveDirectly(block.offset) == 0);
}

void goBack() {
    Watched watched;
    std::shared_ptr<Kind> kind = decayingKind(&watched);
    takeAndGive(*kind);
    until("freed storage has gone back", [&] { return kind->heap.stats().committed == 0; });
    CHECK(watched.calls > 0);
    kind->decay->end();
    const int calls = watched.calls;
    takeAndGive(*kind);
    CHECK(kind->decay->step(true).nextInMs == ScavengeStep::kNever);
    std::this_thread::sleep_for(milliseconds(50));
    CHECK(watched.calls == calls && kind->heap.stats().committed > 0, "storage goes back after the end");
    kind.reset();
    until("the region is gone", [&] { return watched.isGone.load(); });
}

void endDuringACall() {
    Watched watched;
    watched.isHeldUp = true;
    std::shared_ptr<Kind> kind = decayingKind(&watched);
    takeAndGive(*kind);
    until("storage is being given back", [&] { return watched.calls > 0; });
    const double before = elapsed();
    kind->decay->end();
    CHECK(elapsed() - before < 5, "the end waited %f s for a call that is stuck", elapsed() - before);
    kind.reset();
    CHECK(!watched.isGone, "the region is gone in the middle of a call");
    watched.isHeldUp = false;
    until("the region is gone when the call has returned", [&] { return watched.isGone.load(); });
    CHECK(watched.calls == 1);
}

// A kind whose decay nobody ends, as when its last hold was never made.
void endWithTheKind() {
    Watched watched;
    std::shared_ptr<Kind> kind = decayingKind(&watched);
    const std::shared_ptr<Decay> decay = kind->decay;
    kind.reset();
    until("the region is gone", [&] { return watched.isGone.load(); });
    CHECK(decay->step(false).nextInMs == ScavengeStep::kNever);
}

}  // namespace

void testDecay(const Options&) {
    context() = "decay";
    goBack();
    endDuringACall();
    endWithTheKind();
    std::printf("decay: done\n");
}

}  // namespace test
