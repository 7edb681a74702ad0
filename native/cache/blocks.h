// The memory of a cache's entries: blocks of a kind's heap. The cache has a thread cache (heap/thread_cache.h) of its
// own. Where a kind's other thread caches belong to a thread, this one belongs to whoever holds its lock.
//
// Any thread may call.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "cache/mutex.h"
#include "kind/kind.h"
#include "kind/owned_blocks.h"

namespace daxkind::cache {

class Blocks {
  public:
    // Joins the heap of a kind. `wake` is called, under the heap's lock, when serve() is to be called soon.
    // 0; -errno; or -ENOENT if the kind's last holder has just let go.
    int open(const std::shared_ptr<Kind>& kind, void (*wake)(void*), void* data);
    ~Blocks() { leave(); }
    // Leaves the heap and the kind. What is left of the blocks is freed. Nothing may be called afterwards.
    void leave();

    Kind& kind() const { return *kind_; }
    char* base() const { return base_; }
    // The code of a block of that many bytes. 0 if no block of this kind can be so long.
    uint32_t codeFor(uint64_t size) const;
    // 0, -ENOMEM or the region's error. `offset` is in bytes of the region. Other threads are asked for the free blocks
    // that they keep, and waited for, only if the caller can evict nothing any more.
    int allocate(uint32_t code, bool canEvict, uint64_t* offset);
    void free(uint32_t code, uint64_t offset);
    // Makes a block shorter at its place, if it can be. Gives its code afterwards.
    uint32_t shrink(uint32_t code, uint64_t offset, uint64_t size);
    // Whether a page of that memory is lost.
    bool isLost(uint64_t offset, uint64_t length) const { return watch_ != nullptr && watch_->hasLost(offset, length); }
    // Does what the heap asks of the owners of thread caches.
    void serve();

  private:
    std::shared_ptr<OwnedBlocks> owned_;
    std::shared_ptr<Kind> kind_;
    Mutex mutex_;
    ThreadCache cache_;
    guard::Watch* watch_ = nullptr;
    char* base_ = nullptr;
    uint32_t unitShift_ = 0;
};

}  // namespace daxkind::cache
