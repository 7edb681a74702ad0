// A call of an export of caches: the arguments that call.h does not have.
#pragma once

#include <cstdint>
#include <limits>

#include "binding/cache_hold.h"
#include "binding/call.h"

namespace daxkind {

class CacheCall : public Call {
  public:
    using Call::Call;

    CacheTable& caches() const { return *static_cast<CacheTable*>(data()); }
    // The hold that this argument names. Null if there is none, or no longer.
    CacheHold* hold() {
        const int64_t number = integer("id");
        return isRefused() ? nullptr : caches().find(number);
    }
    // A key of the cache of that hold, which may be null: a string or a Uint8Array. It is valid until the next call.
    cache::Key key(const CacheHold* at);
    uint8_t encoding() { return static_cast<uint8_t>(integer("encoding", 0, std::numeric_limits<uint8_t>::max())); }
    // Takes two arguments.
    cache::Lifetime lifetime() {
        cache::Lifetime lifetime;
        lifetime.freshMs = uint64("freshMs");
        lifetime.staleMs = uint64("staleMs");
        return lifetime;
    }
    // The draft of that number. Null if the hold has none.
    CacheHold::OpenDraft* draft(CacheHold* at, uint32_t* number = nullptr) {
        const uint32_t name = uint32("draft");
        if (number != nullptr) *number = name;
        return isRefused() || at == nullptr ? nullptr : at->draft(name);
    }

  private:
    cache::Key keyOfString(size_t units);
};

}  // namespace daxkind
