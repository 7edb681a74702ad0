#include "cache/blocks.h"

#include <cerrno>
#include <mutex>

namespace daxkind::cache {

int Blocks::open(const std::shared_ptr<Kind>& kind, void (*wake)(void*), void* data) {
    int error = cache_.open();
    if (error == 0) error = kind->heap.attach(&cache_);
    if (error != 0) return error;
    kind_ = kind;
    owned_ = std::make_shared<OwnedBlocks>(kind, cache_.owner);
    watch_ = kind->region->watch();
    base_ = kind->region->base();
    unitShift_ = kind->heap.unitShift();
    kind->heap.setWake(&cache_, wake, data);
    return 0;
}

void Blocks::leave() {
    if (kind_ == nullptr) return;
    kind_->heap.setWake(&cache_, nullptr, nullptr);
    kind_->heap.detach(&cache_);
    if (kind_->heap.close() && kind_->decay != nullptr) kind_->decay->end();
    // The blocks go after the thread cache.
    kind_.reset();
    owned_.reset();
}

uint32_t Blocks::codeFor(uint64_t size) const {
    if (size <= kMaxSlabSize) return classOf(static_cast<uint32_t>(size));
    const uint64_t units = (size + (1ull << unitShift_) - 1) >> unitShift_;
    return hasCode(units) ? codeOfRun(static_cast<uint32_t>(units)) : 0;
}

int Blocks::allocate(uint32_t code, bool canEvict, uint64_t* offset) {
    const std::lock_guard<Mutex> lock(mutex_);
    if (cache_.pop(code, offset)) return 0;
    cache_.helpsItself = canEvict;
    if (code > kRunCode) return kind_->heap.allocateRun(&cache_, unitsOf(code), kSizeQuantum, offset);
    const int error = kind_->heap.refill(&cache_, code);
    if (error != 0) return error;
    return cache_.pop(code, offset) ? 0 : -ENOMEM;
}

void Blocks::free(uint32_t code, uint64_t offset) {
    const std::lock_guard<Mutex> lock(mutex_);
    if (cache_.push(code, offset)) return;
    // A cache that holds no blocks of this code gives them to the heap one by one. A full magazine is drained.
    const bool isCached = code > kRunCode
                              ? static_cast<int32_t>(unitsOf(code)) <= cache_.word(kCachedUnitsLimitWord) / 2
                              : cache_.magazine(code)[kMagazineLimit] > 0;
    if (isCached && kind_->heap.drain(&cache_, code) == 0 && cache_.push(code, offset)) return;
    kind_->heap.free(&cache_, offset);
}

uint32_t Blocks::shrink(uint32_t code, uint64_t offset, uint64_t size) {
    if (code <= kRunCode) return code;
    const uint32_t shorter = codeFor(size > kMaxSlabSize ? size : kMaxSlabSize + 1);
    if (shorter == code) return code;
    const std::lock_guard<Mutex> lock(mutex_);
    return kind_->heap.resizeRun(&cache_, offset, unitsOf(shorter)) == 0 ? shorter : code;
}

void Blocks::serve() {
    const std::lock_guard<Mutex> lock(mutex_);
    kind_->heap.serveReclaim(&cache_);
}

}  // namespace daxkind::cache
