#include "cache/queues.h"

#include <algorithm>

namespace daxkind::cache {

namespace {

// How many entries are looked at for one victim. All could have been used three times, and then a cache of millions
// would be gone around three times under the lock.
constexpr int kMostLooks = 512;

}  // namespace

// The newest entry follows the head in the direction of `older`, and the oldest one in the direction of `newer`.
void Queues::link(uint32_t head, uint32_t index) {
    Entries& all = *entries_;
    const uint32_t second = all[head].older;
    all[index].newer = head;
    all[index].older = second;
    all[second].newer = index;
    all[head].older = index;
}

void Queues::unlink(uint32_t index) {
    Entries& all = *entries_;
    all[all[index].newer].older = all[index].older;
    all[all[index].older].newer = all[index].newer;
}

void Queues::add(uint32_t index, Ghost ghost) {
    const uint64_t bytes = bytesOf(index);
    if (ghost != Ghost::kNone) {
        const double step = static_cast<double>(bytes) / static_cast<double>(smallBytes_ + mainBytes_ + bytes);
        smallShare_ += ghost == Ghost::kSmall ? step : -step;
        smallShare_ = std::clamp(smallShare_, kLeastSmallShare, kMostSmallShare);
    }
    const bool isInMain = ghost != Ghost::kNone || policy_ == Policy::kLru;
    if (isInMain) (*entries_)[index].add(kIsInMain);
    (isInMain ? mainBytes_ : smallBytes_) += bytes;
    link(isInMain ? kMainHead : kSmallHead, index);
}

void Queues::replace(uint32_t old, uint32_t index) {
    Entries& all = *entries_;
    all[index].add(all[old].state.load(std::memory_order_relaxed) & (kUses | kIsInMain));
    all[index].noteUse();
    all[index].newer = all[old].newer;
    all[index].older = all[old].older;
    all[all[index].newer].older = index;
    all[all[index].older].newer = index;
    bytesOfQueue(index) += bytesOf(index);
    // remove() takes the old one out of a list of its own.
    all[old].newer = all[old].older = old;
    if (policy_ == Policy::kLru) use(index);
}

void Queues::remove(uint32_t index) {
    unlink(index);
    bytesOfQueue(index) -= bytesOf(index);
}

void Queues::use(uint32_t index) {
    unlink(index);
    link(kMainHead, index);
}

void Queues::clear() {
    Entries& all = *entries_;
    for (const uint32_t head : {kSmallHead, kMainHead}) {
        if (isEmpty(head)) continue;
        // The whole list goes in front of what is in the other one.
        const uint32_t newest = all[head].older;
        const uint32_t oldest = all[head].newer;
        const uint32_t second = all[kClearedHead].older;
        all[kClearedHead].older = newest;
        all[newest].newer = kClearedHead;
        all[oldest].older = second;
        all[second].newer = oldest;
        all[head].newer = all[head].older = head;
    }
    smallBytes_ = mainBytes_ = 0;
}

uint32_t Queues::victim(uint32_t except) {
    Entries& all = *entries_;
    for (int looks = 0;; looks++) {
        const double target = smallShare_ * static_cast<double>(smallBytes_ + mainBytes_);
        uint32_t fromSmall = all[kSmallHead].newer;
        uint32_t fromMain = all[kMainHead].newer;
        if (fromSmall == except) fromSmall = all[fromSmall].newer;
        if (fromMain == except) fromMain = all[fromMain].newer;
        const bool hasSmall = fromSmall != kSmallHead;
        const bool hasMain = fromMain != kMainHead;
        if (!hasSmall && !hasMain) return kNone;
        const bool isSmall = hasSmall && (!hasMain || static_cast<double>(smallBytes_) >= target);
        const uint32_t index = isSmall ? fromSmall : fromMain;
        Entry& entry = all[index];
        if (policy_ == Policy::kLru || entry.uses() == 0 || looks >= kMostLooks) return index;
        unlink(index);
        link(kMainHead, index);
        if (isSmall) {
            const uint64_t bytes = bytesOf(index);
            entry.remove(kUses);
            entry.add(kIsInMain);
            smallBytes_ -= bytes;
            mainBytes_ += bytes;
        } else {
            entry.state.fetch_sub(1, std::memory_order_relaxed);
        }
    }
}

void Queues::postpone(uint32_t index, bool isCleared) {
    const uint32_t queue = (*entries_)[index].has(kIsInMain) ? kMainHead : kSmallHead;
    unlink(index);
    link(isCleared ? kClearedHead : queue, index);
}

}  // namespace daxkind::cache
