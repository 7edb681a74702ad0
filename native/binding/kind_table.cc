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
    if (waker != nullptr) waker->stop();
}

void KindTable::listen(napi_env env, Attachment* attachment) {
    if (waker == nullptr) waker = Waker::create(env, this);
    if (waker == nullptr) return;
    attachment->waker = waker;
    const auto wake = [](void* data) {
        Attachment& at = *static_cast<Attachment*>(data);
        at.isWoken = true;
        at.waker->wake();
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

// ---- Waker ----------------------------------------------------------------------------------------------------------

std::shared_ptr<Waker> Waker::create(napi_env env, KindTable* table) {
    auto waker = std::make_shared<Waker>();
    waker->table_ = table;
    napi_value name;
    napi_create_string_utf8(env, "daxkind", NAPI_AUTO_LENGTH, &name);
    // Node frees the function after this has run, whoever still knows it.
    const auto finalize = [](napi_env, void*, void* context) {
        auto* const hold = static_cast<std::shared_ptr<Waker>*>(context);
        {
            const std::lock_guard<std::mutex> lock((*hold)->mutex_);
            (*hold)->function_ = nullptr;
        }
        delete hold;
    };
    const auto call = [](napi_env env, napi_value, void* context, void*) {
        // What is still queued when the function has been finalised comes without an environment, and without a
        // context.
        if (env == nullptr) return;
        const Waker& self = **static_cast<std::shared_ptr<Waker>*>(context);
        // Only this thread ends the table, and changes it.
        if (self.table_ == nullptr) return;
        for (const auto& at : self.table_->attachments) {
            if (at != nullptr && at->isWoken.exchange(false)) at->kind->heap.answer(at->cache.get());
        }
    };
    auto* const hold = new std::shared_ptr<Waker>(waker);
    napi_threadsafe_function function;
    if (napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, finalize, hold, call, &function) !=
        napi_ok) {
        delete hold;
        return nullptr;
    }
    // It keeps no thread alive.
    napi_unref_threadsafe_function(env, function);
    waker->function_ = function;
    return waker;
}

void Waker::wake() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (function_ != nullptr) napi_call_threadsafe_function(function_, nullptr, napi_tsfn_nonblocking);
}

void Waker::stop() {
    table_ = nullptr;
    const std::lock_guard<std::mutex> lock(mutex_);
    if (function_ != nullptr) napi_release_threadsafe_function(function_, napi_tsfn_abort);
    function_ = nullptr;
}

}  // namespace daxkind
