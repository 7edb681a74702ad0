#include "kind/registry.h"

#include <sys/random.h>

#include <cerrno>
#include <mutex>
#include <unordered_map>

#include "heap/raw_numbers.h"
#include "kind/kind.h"
#include "kind/secret.h"

namespace daxkind {

namespace {

struct Registry {
    std::mutex mutex;
    std::unordered_map<uint32_t, std::weak_ptr<Kind>> kinds;
    // References to blocks name kinds by their numbers. The first number is random, so that a reference of another
    // process is not taken for one of this process.
    uint32_t last = static_cast<uint32_t>(processNonce()) / 2;
    RawNumbers handles{processNonce()};
};

// Never destroyed: threads may still run while the process ends.
Registry& registry() {
    static Registry* const only = new Registry();
    return *only;
}

}  // namespace

void registerKind(const std::shared_ptr<Kind>& kind) {
    kind->losses.watch(kind);
    Registry& all = registry();
    const std::lock_guard<std::mutex> lock(all.mutex);
    kind->number = ++all.last;
    all.kinds[kind->number] = kind;
    if (kind->region->isElastic()) kind->decay = Decay::start(std::shared_ptr<Heap>(kind, &kind->heap));
}

void unregisterKind(const Kind& kind) {
    Registry& all = registry();
    const std::lock_guard<std::mutex> lock(all.mutex);
    all.kinds.erase(kind.number);
    if (kind.firstHandle != 0) all.handles.giveBack(kind.firstHandle);
}

std::shared_ptr<Kind> findKind(uint32_t number, const std::string& secret) {
    Registry& all = registry();
    // Declared before the lock and so let go of after it, because the end of a kind takes the lock, too.
    std::shared_ptr<Kind> kind;
    const std::lock_guard<std::mutex> lock(all.mutex);
    const auto at = all.kinds.find(number);
    if (at != all.kinds.end()) kind = at->second.lock();
    // A kind that nobody has shared has no secret.
    return kind != nullptr && !kind->secret.empty() && kind->secret == secret ? kind : nullptr;
}

int secretOf(Kind& kind, std::string* secret) {
    const std::lock_guard<std::mutex> lock(registry().mutex);
    const int error = kind.secret.empty() ? makeSecret(&kind.secret) : 0;
    if (error != 0) return error;
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

uint64_t processNonce() {
    static const uint64_t nonce = [] {
        uint64_t bits = 0;
        if (getrandom(&bits, sizeof bits, 0) != sizeof bits) bits = reinterpret_cast<uintptr_t>(&bits);
        return bits >> 12;
    }();
    return nonce;
}

}  // namespace daxkind
