// Users end and others begin. When one ends, blocks that nobody else can reach are free. All other blocks are as they
// were.
#include <algorithm>
#include <cstdio>

#include "round.h"

namespace test {

using namespace daxkind;

Round::User* Round::userOf(const Book::Held& held) {
    for (const auto& user : users_) {
        if (user->number == held.user) return user.get();
    }
    return nullptr;
}

void Round::join() {
    users_.push_back(std::make_unique<User>(&heap_, book_.region()->capacity(), ++lastUser_));
    CHECK(users_.back()->join() == 0);
    users_.back()->doubt();
}

// The user's blocks are freed later, while others work.
void Round::end() {
    if (isVerbose_) std::printf("end\n");
    const auto ending = std::find_if(users_.begin(), users_.end(), [this](auto& user) { return user.get() == user_; });
    (*ending)->leave();
    left_.push_back({user_->number, user_->cache()->owner, 0});
    users_.erase(ending);
    join();
    user_ = users_.back().get();
}

void Round::abandonSome() {
    if (left_.empty()) return;
    Left& left = left_[random_.below(left_.size())];
    const uint32_t from = left.unit;
    book_.checkContents();
    const bool isDone = heap_.abandonSome(left.owner, &left.unit);
    CHECK(isDone || left.unit > from, "a walk does not advance at unit %u", from);
    if (isVerbose_) std::printf("abandoned up to unit %u\n", left.unit);
    const uint64_t end = static_cast<uint64_t>(left.unit) << heap_.unitShift();
    for (size_t i = book_.count(); i-- > 0;) {
        const Book::Held held = book_.at(i);
        if (held.user != left.number || !held.isPrivate() || held.block.offset >= end) continue;
        if (held.generation != 0) stale_.push_back({held.block.offset, held.generation});
        book_.drop(held.block.offset);
        given_.insert(held.block.offset);
    }
    if (!isDone) return;
    left = left_.back();
    left_.pop_back();
}

}  // namespace test
