#include "binding/kind_table.h"

#include <sys/random.h>

#include <cerrno>
#include <optional>
#include <unordered_map>

#include "heap/raw_numbers.h"
#include "jobs/background.h"

namespace daxkind {

namespace {

struct Registry {
    std::mutex mutex;
    std::unordered_map<uint32_t, std::weak_ptr<Kind>> kinds;
    // References to blocks tell kinds by their numbers: those of another process are not to be taken for this one's.
    uint32_t last = static_cast<uint32_t>(static_cast<uint64_t>(processNonce())) / 2;
    RawNumbers handles{static_cast<uint64_t>(processNonce())};
};

// Never destroyed: threads may still run while the process ends.
Registry& registry() {
    static Registry* const only = new Registry();
    return *only;
}

}  // namespace

thread_local bool Kind::isAtOnce_ = false;

std::shared_ptr<Kind> Kind::make() {
    return std::shared_ptr<Kind>(new Kind(), end);
}

void Kind::end(Kind* kind) {
    class Ending final : public Task {
      public:
        explicit Ending(Kind* kind) : kind_(kind) {}
        std::optional<std::chrono::milliseconds> step() override { return std::nullopt; }

      private:
        const std::unique_ptr<Kind> kind_;
    };
    std::unique_ptr<Task> task = std::make_unique<Ending>(kind);
    // Where no thread can be had it goes at once, with the task.
    if (!isAtOnce_) doInBackground(task);
}

Kind::~Kind() {
    if (number != 0) {
        Registry& all = registry();
        const std::lock_guard<std::mutex> lock(all.mutex);
        all.kinds.erase(number);
        if (firstHandle != 0) all.handles.giveBack(firstHandle);
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

std::shared_ptr<Kind> findKind(uint32_t number, const std::string& secret) {
    Registry& all = registry();
    // Let go of after the lock: its end takes that, too.
    std::shared_ptr<Kind> kind;
    const std::lock_guard<std::mutex> lock(all.mutex);
    const auto at = all.kinds.find(number);
    if (at != all.kinds.end()) kind = at->second.lock();
    // A kind that nobody has shared has no secret.
    return kind != nullptr && !kind->secret.empty() && kind->secret == secret ? kind : nullptr;
}

int secretOf(Kind& kind, std::string* secret) {
    const std::lock_guard<std::mutex> lock(registry().mutex);
    if (kind.secret.empty()) {
        uint8_t bits[16];
        const ssize_t got = getrandom(bits, sizeof bits, 0);
        if (got != sizeof bits) return got < 0 ? -errno : -EIO;
        for (const uint8_t byte : bits) {
            for (const uint32_t digit : {byte >> 4, byte & 15}) kind.secret += "0123456789abcdef"[digit];
        }
    }
    *secret = kind.secret;
    return 0;
}

uint64_t firstHandleOf(Kind& kind, uint64_t count) {
    Registry& all = registry();
    const std::lock_guard<std::mutex> lock(all.mutex);
    if (kind.firstHandle == 0) kind.firstHandle = all.handles.take(count);
    return kind.firstHandle;
}

bool isHandleOfSomeKind(uint64_t number) {
    Registry& all = registry();
    const std::lock_guard<std::mutex> lock(all.mutex);
    return all.handles.wasTaken(number);
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

void Attachment::freePending() {
    if (cache->word(kResultPendingWord) == 0) return;
    cache->word(kResultPendingWord) = 0;
    const uint64_t segment = static_cast<uint32_t>(cache->word(kResultSegmentWord));
    kind->heap.free(cache.get(), (segment << kSegmentShift) + static_cast<uint32_t>(cache->word(kResultOffsetWord)));
}

Attachment::~Attachment() {
    if (kind == nullptr || cache == nullptr) return;
    for (const auto& [offset, generation] : quarantine) kind->heap.freeReferenced(cache.get(), offset, generation);
    kind->heap.detach(cache.get());
    // Whoever lets go last sees to it that the storage has gone back when that is done.
    if (kind->heap.close() && kind->decay != nullptr) kind->decay->end();
}

KindTable::~KindTable() {
    const Kind::AtOnce atOnce;
    for (auto& [id, attachment] : attachments_) {
        const std::shared_ptr<OwnedBlocks> blocks = attachment->blocks;
        attachment.reset();
        blocks->free();
    }
    if (loopCall_ != nullptr) loopCall_->stop();
}

void KindTable::listen(napi_env env, Attachment* attachment) {
    if (loopCall_ == nullptr) {
        loopCall_ = LoopCall::create(env, [this](napi_env) {
            for (const auto& [id, at] : attachments_) {
                if (at->isWoken.exchange(false)) at->kind->heap.answer(at->cache.get());
            }
        });
    }
    if (loopCall_ == nullptr) return;
    attachment->loopCall = loopCall_;
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

OwnedBlocks::OwnedBlocks(std::weak_ptr<Kind> kind, uint32_t owner) : kind_(std::move(kind)), owner_(owner) {}

void OwnedBlocks::endWith(std::unique_ptr<Attachment> hold) {
    Heap& heap = hold->kind->heap;
    // Nobody answers for the cache any more.
    heap.setWake(hold->cache.get(), nullptr, nullptr);
    heap.answer(hold->cache.get());
    heap.empty(hold->cache.get());
    const std::shared_ptr<OwnedBlocks> blocks = std::move(hold->blocks);
    blocks->hold_ = std::move(hold);
}

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

int64_t KindTable::add(std::unique_ptr<Attachment> attachment) {
    attachments_[++last_] = std::move(attachment);
    return last_;
}

std::unique_ptr<Attachment> KindTable::take(int64_t id) {
    const auto at = attachments_.find(id);
    if (at == attachments_.end()) return nullptr;
    lastFound_ = 0;
    found_ = nullptr;
    std::unique_ptr<Attachment> attachment = std::move(at->second);
    attachments_.erase(at);
    return attachment;
}

}  // namespace daxkind
