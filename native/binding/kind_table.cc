#include "binding/kind_table.h"

#include <sys/random.h>

#include <optional>
#include <unordered_map>

#include "jobs/background.h"

namespace daxkind {

namespace {

struct Registry {
    std::mutex mutex;
    std::unordered_map<uint32_t, std::weak_ptr<Kind>> kinds;
    // References to blocks tell kinds by their numbers: those of another process are not to be taken for this one's.
    uint32_t last = static_cast<uint32_t>(static_cast<uint64_t>(processNonce())) / 2;
};

// Never destroyed: threads may still run while the process ends.
Registry& registry() {
    static Registry* const only = new Registry();
    return *only;
}

}  // namespace

Kind::~Kind() {
    if (number != 0) {
        Registry& all = registry();
        const std::lock_guard<std::mutex> lock(all.mutex);
        all.kinds.erase(number);
    }
    if (region != nullptr) region->retire();
}

void registerKind(const std::shared_ptr<Kind>& kind) {
    Registry& all = registry();
    const std::lock_guard<std::mutex> lock(all.mutex);
    kind->number = ++all.last;
    all.kinds[kind->number] = kind;
    if (kind->region->isElastic()) kind->decay = Decay::start(std::shared_ptr<Heap>(kind, &kind->heap));
}

std::shared_ptr<Kind> findKind(uint32_t number) {
    Registry& all = registry();
    const std::lock_guard<std::mutex> lock(all.mutex);
    const auto at = all.kinds.find(number);
    return at == all.kinds.end() ? nullptr : at->second.lock();
}

double processNonce() {
    static const double nonce = [] {
        uint64_t bits = 0;
        if (getrandom(&bits, sizeof bits, 0) != sizeof bits) bits = reinterpret_cast<uintptr_t>(&bits);
        return static_cast<double>(bits >> 12);
    }();
    return nonce;
}

// ---- Holds ----------------------------------------------------------------------------------------------------------

Attachment::~Attachment() {
    if (kind == nullptr || cache == nullptr) return;
    for (const auto& [offset, generation] : quarantine) kind->heap.freeReferenced(cache.get(), offset, generation);
    kind->heap.detach(cache.get());
    // Whoever lets go last sees to it that the storage has gone back when that is done.
    if (kind->heap.close() && kind->decay != nullptr) kind->decay->end();
}

KindTable::~KindTable() {
    for (std::unique_ptr<Attachment>& attachment : attachments) {
        if (attachment == nullptr) continue;
        const std::shared_ptr<OwnedBlocks> blocks = attachment->blocks;
        attachment.reset();
        blocks->free();
    }
    if (loopCall != nullptr) loopCall->stop();
}

void KindTable::listen(napi_env env, Attachment* attachment) {
    if (loopCall == nullptr) {
        loopCall = LoopCall::create(env, [this](napi_env) {
            for (const auto& at : attachments) {
                if (at != nullptr && at->isWoken.exchange(false)) at->kind->heap.answer(at->cache.get());
            }
        });
    }
    if (loopCall == nullptr) return;
    attachment->loopCall = loopCall;
    const auto wake = [](void* data) {
        Attachment& at = *static_cast<Attachment*>(data);
        at.isWoken = true;
        at.loopCall->wake();
    };
    attachment->kind->heap.setWake(attachment->cache.get(), wake, attachment);
}

namespace {

// The rest of what a thread held, where that is much.
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

void OwnedBlocks::free() {
    const std::shared_ptr<Kind> kind = kind_.lock();
    if (kind != nullptr && !isFreed_) kind->heap.abandon(owner_);
    isFreed_ = true;
}

OwnedBlocks::~OwnedBlocks() {
    const std::shared_ptr<Kind> kind = kind_.lock();
    if (kind == nullptr || isFreed_ || kind->heap.abandonSome(owner_)) return;
    std::unique_ptr<Task> task = std::make_unique<Abandoning>(kind, owner_);
    if (doInBackground(task) != 0) kind->heap.abandon(owner_);
}

uint32_t KindTable::add(std::unique_ptr<Attachment> attachment) {
    if (unused.empty()) {
        attachments.push_back(std::move(attachment));
        return static_cast<uint32_t>(attachments.size() - 1);
    }
    const uint32_t id = unused.back();
    unused.pop_back();
    attachments[id] = std::move(attachment);
    return id;
}

std::unique_ptr<Attachment> KindTable::take(uint32_t id) {
    if (find(id) == nullptr) return nullptr;
    unused.push_back(id);
    return std::move(attachments[id]);
}

}  // namespace daxkind
