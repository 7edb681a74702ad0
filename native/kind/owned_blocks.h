// What a thread's hold on a kind leaves behind.
#pragma once

#include <cstdint>
#include <memory>

#include "kind/kind.h"

namespace daxkind {

// The blocks that a hold took and neither freed nor shared, after the hold has ended. They are freed when no script and
// no operation of Node can reach their memory any more. At the end of the environment that is at once, because Node has
// waited for its operations. After a close in a thread that goes on, it is when all ArrayBuffers over the memory are
// garbage, because an operation under way keeps its ArrayBuffer. These ArrayBuffers share this object.
class OwnedBlocks {
  public:
    // `owner` is the number of the hold's thread cache.
    OwnedBlocks(std::weak_ptr<Kind> kind, uint32_t owner);
    OwnedBlocks(const OwnedBlocks&) = delete;
    OwnedBlocks& operator=(const OwnedBlocks&) = delete;
    // Frees the blocks now if that takes a single short step. Otherwise a background thread frees the rest, so that no
    // event loop waits for it.
    ~OwnedBlocks();
    // Frees the blocks now, on this thread.
    void free();
    // Keeps the hold until this object ends. The hold ends just before the blocks are freed.
    void keep(std::shared_ptr<void> hold) { hold_ = std::move(hold); }

  private:
    std::weak_ptr<Kind> kind_;
    const uint32_t owner_;
    bool isFreed_ = false;
    std::shared_ptr<void> hold_;
};

}  // namespace daxkind
