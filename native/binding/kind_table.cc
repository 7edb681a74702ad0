#include "binding/kind_table.h"

#include <sys/random.h>

#include <cerrno>
#include <unordered_map>

#include "heap/raw_numbers.h"

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
}

std::shared_ptr<Kind> findKind(uint32_t number, const std::string& secret) {
    Registry& all = registry();
    std::shared_ptr<Kind> kind;
    const std::lock_guard<std::mutex> lock(all.mutex);
    const auto at = all.kinds.find(number);
    if (at != all.kinds.end()) kind = at->second.lock();
    // A kind that nobody has shared has no secret.
    if (kind != nullptr && (kind->secret.empty() || kind->secret != secret)) kind.reset();
    return kind;
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
    freePending();
    for (const uint64_t offset : quarantine) kind->heap.free(cache.get(), offset);
    kind->heap.detach(cache.get());
    if (waker != nullptr) waker->stop();
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

// ---- Waker ----------------------------------------------------------------------------------------------------------

std::shared_ptr<Waker> Waker::create(napi_env env, Attachment* attachment) {
    auto waker = std::make_shared<Waker>();
    waker->attachment_ = attachment;
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
        Waker& self = **static_cast<std::shared_ptr<Waker>*>(context);
        // Only this thread ends the attachment.
        if (self.attachment_ != nullptr) {
            self.attachment_->kind->heap.answer(self.attachment_->cache.get());
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
    attachment_ = nullptr;
    const std::lock_guard<std::mutex> lock(mutex_);
    if (function_ != nullptr) napi_release_threadsafe_function(function_, napi_tsfn_abort);
    function_ = nullptr;
}

}  // namespace daxkind
