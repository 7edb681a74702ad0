// What a thread's hold on a kind leaves behind.
#pragma once

#include <cstdint>
#include <memory>

#include "kind/kind.h"

namespace daxkind {

// The blocks that a hold on a kind took and neither freed nor shared, once the hold is no more. They are free when no
// script and no operation of Node's own can reach their memory: at the end of the environment, because Node waits for
// its operations before; after a close in a thread that goes on, when all ArrayBuffers over the memory are garbage, for
// an operation under way keeps its own. Those share in this object.
class OwnedBlocks {
  public:
    // `owner` is the number of the hold's thread cache.
    OwnedBlocks(std::weak_ptr<Kind> kind, uint32_t owner);
    OwnedBlocks(const OwnedBlocks&) = delete;
    OwnedBlocks& operator=(const OwnedBlocks&) = delete;
    // Frees them now if they are few. Else another thread does, so that no event loop waits for it.
    ~OwnedBlocks();
    // Frees them now, on this thread.
    void free();
    // Has the hold end with this, just before the blocks are freed.
    void keep(std::shared_ptr<void> hold) { hold_ = std::move(hold); }

  private:
    std::weak_ptr<Kind> kind_;
    const uint32_t owner_;
    bool isFreed_ = false;
    std::shared_ptr<void> hold_;
};

}  // namespace daxkind
