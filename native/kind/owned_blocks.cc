#include "kind/owned_blocks.h"

#include <chrono>
#include <optional>
#include <utility>

#include "jobs/background.h"

namespace daxkind {

namespace {

// Frees the rest of the blocks that a thread held, if there are many.
class Abandoning final : public Task {
  public:
    Abandoning(std::shared_ptr<Kind> kind, uint32_t owner) : kind_(std::move(kind)), owner_(owner) {}

    std::optional<std::chrono::milliseconds> step() override {
        if (kind_->heap.abandonSome(owner_)) return std::nullopt;
        return std::chrono::milliseconds(0);
    }

  private:
    const std::shared_ptr<Kind> kind_;
    const uint32_t owner_;
};

}  // namespace

OwnedBlocks::OwnedBlocks(std::weak_ptr<Kind> kind, uint32_t owner) : kind_(std::move(kind)), owner_(owner) {}

void OwnedBlocks::free() {
    const std::shared_ptr<Kind> kind = kind_.lock();
    if (kind != nullptr && !isFreed_) kind->heap.abandon(owner_);
    isFreed_ = true;
}

OwnedBlocks::~OwnedBlocks() {
    hold_.reset();
    const std::shared_ptr<Kind> kind = kind_.lock();
    if (kind == nullptr || isFreed_ || kind->heap.abandonSome(owner_)) return;
    std::unique_ptr<Task> task = std::make_unique<Abandoning>(kind, owner_);
    if (doInBackground(task) != 0) kind->heap.abandon(owner_);
}

}  // namespace daxkind
