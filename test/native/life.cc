#include "life.h"

#include <sys/vfs.h>

#include <cerrno>
#include <cstring>

#include "check.h"
#include "syscalls/kernel.h"

namespace test {

using namespace daxkind;
using faults::Call;
using faults::Plan;
using faults::Truce;

namespace {

constexpr uint64_t kKiB = 1024;
constexpr uint64_t kMiB = 1024 * kKiB;

}  // namespace

uint32_t Life::live() {
    std::vector<Plan> plans = setting_.always;
    if (plan_ != nullptr) plans.push_back(*plan_);
    faults::openLedger();
    faults::arm(plans);
    if (create()) {
        use();
        close();
    }
    user_.reset();
    book_.reset();
    heap_.reset();
    region_.reset();
    const uint32_t failed = faults::disarm();
    CHECK(faults::left().empty(), "left behind:%s", faults::left().c_str());
    CHECK(faults::trespasses().empty(), "another thread's memory is removed by%s", faults::trespasses().c_str());
    faults::closeLedger();
    return plan_ == nullptr ? 0 : failed;
}

// Checks that a failed call explains the error.
void Life::explain(int error) const {
    if (error == 0) return;
    CHECK(plan_ != nullptr || !setting_.always.empty() || error == -ENOMEM, "unexpected error %d", error);
    if (error == -ENOMEM || (plan_ != nullptr && error == -plan_->error)) return;
    for (const Plan& plan : setting_.always) {
        if (error == -plan.error) return;
    }
    CHECK(false, "nothing explains the error %d", error);
}

void Life::explainFailedOpen(int error, const char* failedCall) const {
    CHECK(plan_ != nullptr, "%s gave %d", failedCall, error);
    CHECK(faults::left().empty(), "left behind by open():%s", faults::left().c_str());
    const bool isNamed = std::strcmp(failedCall, faults::name(plan_->call)) == 0 ||
                         (plan_->call == Call::kMkostemp && std::strcmp(failedCall, "open") == 0);
    CHECK(isNamed, "%s failed, but the error names %s", faults::name(plan_->call), failedCall);
    CHECK(error == -plan_->error, "%s failed by errno %d, but the error is %d", failedCall, plan_->error, error);
}

bool Life::create() {
    region_ = std::make_unique<PmemFileRegion>();
    PmemFileOptions options;
    options.directory = directory_.c_str();
    options.capacity = setting_.capacity;
    const char* failedCall = "nothing";
    int error = region_->open(options, &failedCall);
    if (error != 0) {
        explainFailedOpen(error, failedCall);
        return false;
    }
    region_->show(0, 1);
    heap_ = std::make_unique<Heap>();
    HeapOptions heapOptions;
    heapOptions.decayMs = 0;
    heapOptions.conservative = setting_.isConservative;
    error = heap_->open(region_.get(), heapOptions);
    if (error == 0) {
        book_ = std::make_unique<Book>(heap_.get(), region_.get());
        user_ = std::make_unique<CacheUser>(heap_.get(), region_->capacity());
        error = user_->join();
    }
    if (error == 0) return true;
    CHECK(plan_ != nullptr && plan_->call == Call::kMmap && error == -plan_->error, "unexpected error %d", error);
    region_->retire();
    return false;
}

void Life::look() {
    const Truce truce;
    book_->checkStats({user_.get()});
    // What a failed call took has been given back, unless giving it back failed too.
    const bool canGiveBack = setting_.always.empty() && (plan_ == nullptr || !plan_->isForGood);
    if (canGiveBack && isTmpfs()) {
        const auto resident = static_cast<uint64_t>(region_->resident());
        const uint64_t committed = heap_->stats().committed;
        // What could not be given back counts as gone all the same, until the next purge.
        const bool mayStray = plan_ != nullptr && plan_->call == Call::kFallocate;
        CHECK(mayStray ? resident >= committed : resident == committed,
              "%llu bytes of storage are occupied, but %llu are booked", (unsigned long long)resident,
              (unsigned long long)committed);
    }
}

bool Life::isTmpfs() const {
    struct statfs status;
    return statfs(directory_.c_str(), &status) == 0 && status.f_type == TMPFS_MAGIC;
}

void Life::take(uint64_t size, uint64_t alignment) {
    Block block;
    const int error = user_->takeAligned(size, alignment, &block);
    explain(error);
    if (error == 0) book_->take(block, alignment);
    look();
}

void Life::resizeFirstRun(uint64_t size) {
    for (size_t i = 0; i < book_->count(); i++) {
        Block block = book_->at(i).block;
        if (!block.isRun()) continue;
        const int error = user_->resize(&block, size);
        explain(error);
        if (error == 0) book_->resize(block);
        look();
        break;
    }
}

void Life::give(size_t keep) {
    while (book_->count() > keep) {
        const Block block = book_->at(book_->count() / 2).block;
        book_->give(block.offset);
        // Giving a block back needs no system call that may fail.
        CHECK(user_->give(block) == 0);
        look();
    }
}

void Life::use() {
    look();
    for (uint64_t size = 16; size <= 8 * kKiB; size *= 2) take(size);
    for (const uint64_t size : {20 * kKiB, 300 * kKiB, 2500 * kKiB}) take(size);
    take(100 * kKiB, 64 * kKiB);
    take(kMiB, 2 * kMiB);
    resizeFirstRun(500 * kKiB);
    resizeFirstRun(10 * kKiB);
    give(book_->count() / 2);
    while (heap_->decay().nextInMs == 0) continue;
    look();
    take(1200 * kKiB);
    const int64_t resident = region_->resident();
    if (resident < 0) explain(static_cast<int>(resident));
    // This asks for more than there is.
    for (int i = 0; i < 4; i++) take(1800 * kKiB);
    book_->checkContents();
    give(3);
    user_->purge();
    look();
    if (setting_.capacity != 0) prefault();
    take(kMiB);
    book_->checkContents();
    give(0);
}

void Life::prefault() {
    int error = heap_->commit(0, region_->capacity());
    explain(error);
    if (error == 0) {
        error = region_->populate(0, region_->capacity());
        explain(error);
    }
    look();
}

// Ends the kind. Whatever has failed before, the heap is as new when everything is given back.
void Life::close() {
    user_.reset();
    {
        const Truce truce;
        CacheUser last(heap_.get(), region_->capacity());
        CHECK(last.join() == 0);
        last.purge();
        const HeapStats stats = heap_->stats();
        CHECK(stats.blocks == 0 && stats.active == 0 && stats.free == stats.capacity);
        CHECK(stats.largestFree == stats.capacity);
        CHECK(stats.committed == 0);
        CHECK(!isTmpfs() || !setting_.always.empty() || region_->resident() == 0);
    }
    region_->retire();
}

}  // namespace test
