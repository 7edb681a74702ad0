// Caches: what get() finds is always what was set last, whatever was evicted, has expired, was cleared or ran out of
// memory in between. A model knows all entries. The cache tells it which ones it has removed.
#include "cache/cache.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "cache/alarm.h"
#include "content.h"
#include "fake_clock.h"
#include "fake_region.h"
#include "faults.h"
#include "kinds.h"
#include "syscalls/sizes.h"
#include "tests.h"

namespace test {

using namespace daxkind;
using cache::Cache;
using cache::CacheOptions;
using cache::Draft;
using cache::Key;
using cache::KeySort;
using cache::Lifetime;
using cache::Policy;
using cache::RemovedEntry;
using cache::Value;

namespace {

Key keyOf(const Cache& cache, const std::string& text, KeySort sort = KeySort::kLatin1) {
    Key key{reinterpret_cast<const unsigned char*>(text.data()), static_cast<uint32_t>(text.size()), sort, 0};
    cache.hash(&key);
    return key;
}

std::shared_ptr<Cache> makeCache(const std::shared_ptr<Kind>& kind, const CacheOptions& options) {
    int error;
    std::shared_ptr<Cache> cache = Cache::make(kind, options, &error);
    CHECK(cache != nullptr, "error %d", error);
    return cache;
}

std::shared_ptr<Kind> kindOf(uint64_t capacity) {
    return makeKind(std::make_shared<FakeRegion>(FakeRegion::Shape{capacity, true}, 1));
}

CacheOptions optionsOf(uint64_t maxBytes, uint64_t maxEntries, Policy policy) {
    CacheOptions options;
    options.maxBytes = maxBytes;
    options.maxEntries = maxEntries;
    options.policy = policy;
    return options;
}

// ---- Against a model ------------------------------------------------------------------------------------------------

struct Expected {
    uint64_t seed;
    uint64_t length;
    uint64_t until;  // By the test's own clock; 0: for ever.
};

class Model : public cache::RemovalSink {
  public:
    void removed(const std::vector<RemovedEntry>& entries) override {
        for (const RemovedEntry& entry : entries) {
            CHECK(known.erase(entry.key) == 1, "the cache has removed a key that it did not have: %s",
                  entry.key.c_str());
        }
    }
    std::map<std::string, Expected> known;
};

std::string contentOf(uint64_t seed, uint64_t length) {
    std::string content((length + 15) / 16 * 16, '\0');
    if (!content.empty()) writeContent(content.data(), content.size(), seed);
    content.resize(length);
    return content;
}

void againstModel(uint64_t seed) {
    Random random(seed);
    StoppedClock clock;
    uint64_t now = 1;
    const auto region = std::make_shared<FakeRegion>(FakeRegion::Shape{16 * kMiB, random.percent(70)}, seed);
    if (random.percent(30)) region->room = 4 * kMiB;
    const std::shared_ptr<Kind> kind = makeKind(region);
    CacheOptions options;
    options.maxBytes = random.percent(50) ? random.magnitude(8 * kMiB) + 4096 : 16 * kMiB;
    options.maxEntries = random.percent(50) ? random.magnitude(2000) : UINT32_MAX;
    options.policy = random.percent(30) ? Policy::kLru : Policy::kS3Fifo;
    options.stripes = 1u << random.below(4);
    options.hasAlarm = false;
    if (random.percent(30)) options.hashBits = static_cast<int>(random.below(6));
    const std::shared_ptr<Cache> cache = makeCache(kind, options);
    const auto model = std::make_shared<Model>();
    cache->listen(model);
    const uint64_t mostKeys = random.magnitude(4000);
    const uint64_t mostLength = random.magnitude(256 * kKiB);
    std::map<uint32_t, std::pair<Value, Expected>> pins;

    const auto expire = [&] {
        for (auto at = model->known.begin(); at != model->known.end();) {
            at = at->second.until != 0 && at->second.until <= now ? model->known.erase(at) : std::next(at);
        }
    };
    const auto found = [&](const std::string& name) { return model->known.find(name); };
    // An expired entry is told of when it is found, so the model must not have forgotten it before.
    const auto isExpired = [&](const std::string& name) {
        const auto at = found(name);
        return at != model->known.end() && at->second.until != 0 && at->second.until <= now;
    };

    for (int step = 0; step < 3000; step++) {
        const std::string name = std::to_string(random.below(mostKeys)) + std::string(random.below(40), 'k');
        const Key key = keyOf(*cache, name);
        const uint64_t what = random.below(100);
        if (what < 40) {
            const bool wasExpired = isExpired(name);
            const bool wasThere = found(name) != model->known.end();
            std::string to(256 * kKiB, '\0');
            Value value;
            const int status =
                cache->get(key, {}, to.data(), random.percent(50) ? to.size() : random.below(1000), &value);
            if (!wasThere || wasExpired) {
                CHECK(status == -ENOENT, "a key that is not there was found");
                CHECK(found(name) == model->known.end(), "nobody was told that it has expired");
                continue;
            }
            CHECK(status == 0, "a key is lost that nobody was told of: %d", status);
            const Expected expected = found(name)->second;
            CHECK(value.length == expected.length && value.encoding == expected.seed % 256);
            if (value.entry != cache::kNone) {
                CHECK(cache->copy(value.entry, to.data(), value.length));
                if (pins.size() < 20 && pins.count(value.entry) == 0)
                    pins[value.entry] = {value, expected};
                else
                    cache->unpin(value.entry);
            }
            CHECK(to.compare(0, expected.length, contentOf(expected.seed, expected.length)) == 0);
        } else if (what < 80) {
            const uint64_t length = random.percent(3) ? 0 : random.magnitude(mostLength);
            const uint64_t content = random.next();
            const std::string bytes = contentOf(content, length);
            Lifetime lifetime;
            if (random.percent(30)) lifetime.freshMs = random.magnitude(10'000);
            int status;
            const bool isSet = random.percent(70);
            if (isSet) {
                status = cache->set(key, bytes.data(), length, content % 256, lifetime);
            } else {
                Draft draft;
                status = cache->begin(key, random.below(length + 1), &draft);
                for (uint64_t at = 0; status == 0 && at < length;) {
                    const uint64_t part = std::min(length - at, random.magnitude(mostLength));
                    status = cache->append(&draft, bytes.data() + at, part);
                    at += part;
                }
                if (status == 0 && random.percent(20)) {
                    cache->abandon(&draft);
                    continue;
                }
                if (status == 0)
                    status = cache->publish(key, &draft, content % 256, lifetime);
                else
                    cache->abandon(&draft);
            }
            if (status == 0) {
                model->known[name] = {content, length, lifetime.freshMs == 0 ? 0 : now + lifetime.freshMs};
            } else {
                if (isSet) model->known.erase(name);
                CHECK(status == -EFBIG || (!pins.empty() && (status == -ENOMEM || status == -ENOSPC)),
                      "status %d of %llu bytes, %llu entries left", status, static_cast<unsigned long long>(length),
                      static_cast<unsigned long long>(cache->size()));
            }
        } else if (what < 88) {
            const bool wasExpired = isExpired(name);
            const bool wasThere = found(name) != model->known.end();
            CHECK(cache->remove(key) == (wasThere && !wasExpired));
            model->known.erase(name);
        } else if (what < 93) {
            const auto ms = static_cast<uint32_t>(random.magnitude(5000));
            clock.advance(ms);
            now += ms;
            if (random.percent(70)) {
                while (cache->tick() == std::optional<uint32_t>(0)) {
                }
                // Two ticks later nothing that has expired is left.
                clock.advance(2 * cache::kTickMs);
                now += 2 * cache::kTickMs;
                cache->tick();
                for (const auto& [known, expected] : model->known)
                    CHECK(expected.until == 0 || expected.until + 2 * cache::kTickMs > now, "%s has not expired",
                          known.c_str());
            }
        } else if (what < 94) {
            cache->clear();
            model->known.clear();
            CHECK(cache->size() == 0);
            if (random.percent(50)) cache->tick();
        } else if (!pins.empty()) {
            const auto [entry, pinned] = *pins.begin();
            std::string to(pinned.first.length, '\0');
            CHECK(cache->copy(entry, to.data(), to.size()));
            CHECK(to == contentOf(pinned.second.seed, pinned.second.length), "a pinned value has changed");
            cache->unpin(entry);
            pins.erase(entry);
        }
        const cache::CacheStats stats = cache->stats();
        CHECK(stats.entries == model->known.size(), "%llu entries, %zu known",
              static_cast<unsigned long long>(stats.entries), model->known.size());
        CHECK(stats.entries <= options.maxEntries && stats.bytes <= options.maxBytes);
    }
    for (const auto& [entry, pinned] : pins) cache->unpin(entry);
    expire();
    cache->clear();
    while (cache->tick() == std::optional<uint32_t>(0)) {
    }
    CHECK(kind->heap.stats().blocks == 0, "%llu blocks are left",
          static_cast<unsigned long long>(kind->heap.stats().blocks));
}

// ---- Policies -------------------------------------------------------------------------------------------------------

void lruInOrder(uint64_t seed) {
    Random random(seed);
    const std::shared_ptr<Kind> kind = kindOf(16 * kMiB);
    const uint64_t most = random.magnitude(300);
    const std::shared_ptr<Cache> cache = makeCache(kind, optionsOf(16 * kMiB, most, Policy::kLru));
    std::list<std::string> order;  // The newest first.
    for (int step = 0; step < 4000; step++) {
        const std::string name = std::to_string(random.below(2 * most));
        const Key key = keyOf(*cache, name);
        const auto at = std::find(order.begin(), order.end(), name);
        if (random.percent(50)) {
            Value value;
            char to[8];
            const bool isThere = cache->get(key, {}, to, sizeof to, &value) == 0;
            CHECK(isThere == (at != order.end()), "LRU has another entry than the one used last");
            if (isThere) order.splice(order.begin(), order, at);
        } else {
            CHECK(cache->set(key, name.data(), name.size(), 0, {}) == 0);
            if (at != order.end()) order.erase(at);
            order.push_front(name);
            if (order.size() > most) order.pop_back();
        }
    }
}

// What is used between two scans stays, which LRU would lose.
void s3FifoKeepsWhatIsUsed() {
    const std::shared_ptr<Kind> kind = kindOf(64 * kMiB);
    const std::shared_ptr<Cache> cache = makeCache(kind, optionsOf(64 * kMiB, 1000, Policy::kS3Fifo));
    const auto use = [&](const std::string& name) {
        const Key key = keyOf(*cache, name);
        Value value;
        char to[64];
        if (cache->get(key, {}, to, sizeof to, &value) == 0) return true;
        CHECK(cache->set(key, name.data(), name.size(), 0, {}) == 0);
        return false;
    };
    for (int round = 0; round < 3; round++) {
        for (int hot = 0; hot < 500; hot++) use("hot" + std::to_string(hot));
    }
    for (int scan = 0; scan < 20'000; scan++) use("scan" + std::to_string(scan));
    int hits = 0;
    for (int hot = 0; hot < 500; hot++) hits += use("hot" + std::to_string(hot)) ? 1 : 0;
    // One may go because the work for one victim is bounded.
    CHECK(hits >= 499, "a scan has evicted %d of the 500 entries that were used before", 500 - hits);
}

// ---- The timer wheel ------------------------------------------------------------------------------------------------

void wheelInTime(uint64_t seed) {
    Random random(seed);
    cache::Entries entries;
    CHECK(entries.open(5000) == 0);
    cache::Wheel wheel;
    uint64_t now = random.next() % (1ull << 40);
    wheel.open(&entries, now);
    std::map<uint32_t, uint64_t> due;
    for (int step = 0; step < 3000; step++) {
        if (random.percent(60) && due.size() < 2000) {
            const uint32_t index = entries.take();
            entries[index].state = 0;
            due[index] = now + random.magnitude(1ull << 29);
            wheel.add(index, due[index], now);
        } else if (random.percent(20) && !due.empty()) {
            const uint32_t index = due.begin()->first;
            wheel.remove(index);
            entries.giveBack(index);
            due.erase(index);
        }
        uint64_t soonest = UINT64_MAX;
        for (const auto& [index, at] : due) soonest = std::min(soonest, at);
        const std::optional<uint64_t> next = wheel.next();
        CHECK(next.has_value() == !due.empty());
        CHECK(!next || *next <= soonest, "the wheel wakes too late");
        now += random.percent(50) ? random.magnitude(1ull << 26) : next.value_or(now) > now ? *next - now : 1;
        for (;;) {
            int looks = 10;
            const uint32_t index = wheel.takeDue(now, &looks);
            if (index == cache::kNone && looks >= 0) break;
            if (index == cache::kNone) continue;
            CHECK(due.count(index) == 1 && due[index] <= now, "an entry comes out too early");
            entries.giveBack(index);
            due.erase(index);
        }
        for (const auto& [index, at] : due)
            CHECK(at > now, "an entry was due at %llu", static_cast<unsigned long long>(at));
    }
}

// ---- Keys -----------------------------------------------------------------------------------------------------------

// Whatever happens to other keys meanwhile.
void listsEachKeyOnce(uint64_t seed) {
    Random random(seed);
    const std::shared_ptr<Kind> kind = kindOf(64 * kMiB);
    const std::shared_ptr<Cache> cache = makeCache(kind, optionsOf(64 * kMiB, UINT32_MAX, Policy::kS3Fifo));
    const auto set = [&](const std::string& name) {
        CHECK(cache->set(keyOf(*cache, name), name.data(), name.size(), 0, {}) == 0);
    };
    const uint64_t stable = random.magnitude(3000);
    for (uint64_t i = 0; i < stable; i++) set("stable" + std::to_string(i));
    std::multiset<std::string> seen;
    uint64_t cursor = 0;
    uint64_t other = 0;
    while (cursor != Cache::kListEnd) {
        std::vector<unsigned char> to(64 + random.below(500));
        uint64_t wanted;
        uint64_t written = cache->list(&cursor, to.data(), to.size(), &wanted);
        if (wanted > 0) {
            to.resize(wanted);
            written = cache->list(&cursor, to.data(), to.size(), &wanted);
        }
        for (uint64_t at = 0; at < written;) {
            uint32_t length;
            std::memcpy(&length, &to[at + 1], sizeof length);
            seen.insert(std::string(reinterpret_cast<const char*>(&to[at + 5]), length));
            at += 5 + length;
        }
        for (uint64_t i = random.below(50); i > 0; i--) set("other" + std::to_string(other++));
        if (random.percent(30)) set("stable" + std::to_string(random.below(stable)));
        if (random.percent(30)) cache->remove(keyOf(*cache, "other" + std::to_string(random.below(other + 1))));
    }
    for (uint64_t i = 0; i < stable; i++) {
        const size_t times = seen.count("stable" + std::to_string(i));
        CHECK(times == 1, "a key that was there all the time was listed %zu times", times);
    }
}

void sortsAreDifferentKeys() {
    const std::shared_ptr<Kind> kind = kindOf(16 * kMiB);
    CacheOptions options = optionsOf(16 * kMiB, 100, Policy::kS3Fifo);
    options.hashBits = 0;
    const std::shared_ptr<Cache> cache = makeCache(kind, options);
    const KeySort sorts[] = {KeySort::kLatin1, KeySort::kUtf16, KeySort::kBytes};
    for (const std::string& name : {std::string(), std::string("ab"), std::string(cache::kMostKeyBytes, 'x')}) {
        for (const KeySort sort : sorts)
            CHECK(cache->set(keyOf(*cache, name, sort), &sort, 1, static_cast<uint8_t>(sort), {}) == 0);
        for (const KeySort sort : sorts) {
            Value value;
            char to[8];
            CHECK(cache->get(keyOf(*cache, name, sort), {}, to, sizeof to, &value) == 0);
            CHECK(value.encoding == static_cast<uint8_t>(sort) && value.length == 1);
        }
    }
    CHECK(cache->size() == 9);
    // An empty Buffer has no address.
    Key none{nullptr, 0, KeySort::kBytes, 0};
    cache->hash(&none);
    Value value;
    CHECK(cache->set(none, nullptr, 0, 0, {}) == 0 && cache->get(none, {}, nullptr, 0, &value) == 0);
    CHECK(value.length == 0 && value.entry == cache::kNone && cache->remove(none));
}

// ---- Threads --------------------------------------------------------------------------------------------------------

void manyThreads(const Options& options) {
    for (const Policy policy : {Policy::kS3Fifo, Policy::kLru}) {
        const std::shared_ptr<Kind> kind = kindOf(16 * kMiB);
        CacheOptions made = optionsOf(2 * kMiB, 1000, policy);
        made.stripes = 4;
        const std::shared_ptr<Cache> cache = makeCache(kind, made);
        const double end = elapsed() + options.seconds / 2;
        const auto work = [&](uint64_t seed) {
            context() = "cache-threads --seed " + std::to_string(options.seed);
            Random random(seed);
            std::vector<char> to(64 * kKiB);
            std::vector<uint32_t> pins;
            do {
                const uint64_t number = random.below(2000);
                const std::string name = std::to_string(number);
                const Key key = keyOf(*cache, name);
                const uint64_t what = random.below(1000);
                // The content tells its key, and is of one piece.
                if (what < 500) {
                    Value value;
                    if (cache->get(key, {}, to.data(), random.percent(80) ? to.size() : 0, &value) != 0) continue;
                    if (value.entry != cache::kNone) {
                        CHECK(cache->copy(value.entry, to.data(), value.length));
                        pins.push_back(value.entry);
                    }
                    checkContent(to.data(), value.length, number, value.length);
                } else if (what < 900) {
                    const uint64_t length = 16 * (1 + random.magnitude(1000));
                    std::string bytes(length, '\0');
                    writeContent(bytes.data(), length, number);
                    Lifetime lifetime;
                    if (random.percent(30)) lifetime.freshMs = random.magnitude(30);
                    CHECK(cache->set(key, bytes.data(), length, 0, lifetime) == 0);
                } else if (what < 950) {
                    cache->remove(key);
                } else if (what < 990) {
                    if (pins.empty()) continue;
                    cache->unpin(pins.back());
                    pins.pop_back();
                } else if (what < 991) {
                    cache->clear();
                } else {
                    const cache::CacheStats stats = cache->stats();
                    CHECK(stats.entries <= made.maxEntries && stats.bytes <= made.maxBytes);
                }
                if (pins.size() <= 30) continue;
                for (const uint32_t pin : pins) cache->unpin(pin);
                pins.clear();
            } while (elapsed() < end);
            for (const uint32_t pin : pins) cache->unpin(pin);
        };
        std::vector<std::thread> threads;
        for (uint32_t i = 0; i < options.threads; i++) threads.emplace_back(work, options.seed + i);
        for (std::thread& thread : threads) thread.join();
        cache->clear();
        until("the blocks of the cache are free", [&] { return kind->heap.stats().blocks == 0; });
    }
}

// One thread uses an entry while another clears the cache. No block may be left when the clearing is over.
void usedWhileCleared(uint64_t seed) {
    const std::shared_ptr<Kind> kind = kindOf(16 * kMiB);
    CacheOptions options = optionsOf(16 * kMiB, 1000, Policy::kLru);
    options.hasAlarm = false;
    const std::shared_ptr<Cache> cache = makeCache(kind, options);
    const std::string name = "key";
    const Key key = keyOf(*cache, name);
    std::atomic<bool> isOver{false};
    std::thread user([&] {
        Value value;
        char to[8];
        while (!isOver) cache->get(key, {}, to, sizeof to, &value);
    });
    for (int round = 0; round < 2000; round++) {
        CHECK(cache->set(key, "value", 5, 0, {}) == 0);
        cache->clear();
        while (cache->tick() == std::optional<uint32_t>(0)) {
        }
        CHECK(kind->heap.stats().blocks == 0, "a cleared entry has come back after %d rounds", round);
    }
    isOver = true;
    user.join();
}

// Threads whose values take much of a small kind. What one of them has evicted, and is about to free, is memory that
// the others get.
void neverOutOfMemory(uint64_t seed) {
    const std::shared_ptr<Kind> kind = kindOf(4 * kMiB);
    const std::shared_ptr<Cache> cache = makeCache(kind, optionsOf(4 * kMiB, UINT32_MAX, Policy::kS3Fifo));
    const auto work = [&](uint64_t own) {
        context() = "cache-threads --seed " + std::to_string(seed);
        Random random(own);
        for (int step = 0; step < 5000; step++) {
            const std::string name = std::to_string(random.below(100));
            const Key key = keyOf(*cache, name);
            Draft draft;
            const int status = cache->begin(key, 1200 * kKiB - random.below(1000), &draft);
            CHECK(status == 0, "status %d in step %d", status, step);
            // Nobody looks at the content.
            draft.length = draft.capacity;
            CHECK(cache->publish(key, &draft, 0, {}) == 0);
        }
    };
    std::thread other(work, seed + 1000);
    work(seed);
    other.join();
}

// What was cleared takes entries until it is freed. They are there for new ones at once.
void entriesOfWhatWasCleared() {
    const std::shared_ptr<Kind> kind = kindOf(256 * kMiB);
    CacheOptions options = optionsOf(256 * kMiB, 100'000, Policy::kS3Fifo);
    options.hasAlarm = false;
    const std::shared_ptr<Cache> cache = makeCache(kind, options);
    for (int clears = 0; clears < 5; clears++) {
        for (uint64_t i = 0; i < options.maxEntries; i++) {
            CHECK(cache->set(keyOf(*cache, std::to_string(i)), nullptr, 0, 0, {}) == 0);
        }
        CHECK(cache->size() == options.maxEntries, "%llu entries", static_cast<unsigned long long>(cache->size()));
        cache->clear();
    }
}

// However often a cache is cleared, no call frees all that was in it before.
void clearsInNoTime() {
    const std::shared_ptr<Kind> kind = kindOf(64 * kMiB);
    CacheOptions options = optionsOf(64 * kMiB, UINT32_MAX, Policy::kS3Fifo);
    options.hasAlarm = false;
    const std::shared_ptr<Cache> cache = makeCache(kind, options);
    constexpr uint64_t kMany = 100'000;
    for (uint64_t i = 0; i < kMany; i++) CHECK(cache->set(keyOf(*cache, std::to_string(i)), "", 0, 0, {}) == 0);
    constexpr uint64_t kClears = 30;
    for (uint64_t clears = 0; clears < kClears; clears++) {
        for (int i = 0; i < 3; i++) CHECK(cache->set(keyOf(*cache, std::to_string(i)), "", 0, 0, {}) == 0);
        cache->clear();
        CHECK(cache->size() == 0 && !cache->has(keyOf(*cache, "0")));
    }
    // While a call is at it, it frees some.
    CHECK(kind->heap.stats().blocks >= kMany - kClears * 64, "clear() has freed all blocks itself");
    while (cache->tick() == std::optional<uint32_t>(0)) {
    }
    CHECK(kind->heap.stats().blocks == 0);
}

// What lies in a stripe that somebody is busy in does not keep the rest.
void freesAroundTheBusy() {
    const std::shared_ptr<Kind> kind = kindOf(256 * kMiB);
    CacheOptions options = optionsOf(256 * kMiB, UINT32_MAX, Policy::kS3Fifo);
    options.stripes = 4;
    options.hasAlarm = false;
    const std::shared_ptr<Cache> cache = makeCache(kind, options);
    constexpr uint64_t kMany = 20'000;
    for (uint64_t i = 0; i < kMany; i++) CHECK(cache->set(keyOf(*cache, std::to_string(i)), "", 0, 0, {}) == 0);
    cache->clear();
    const std::string bytes(64 * kMiB, 'b');
    CHECK(cache->set(keyOf(*cache, "long"), bytes.data(), bytes.size(), 0, {}) == 0);
    std::atomic<int> copies{0};
    std::atomic<bool> isOver{false};
    std::thread reader([&] {
        // Its stripe is locked while it is copied.
        std::string to(bytes.size(), '\0');
        Value value;
        for (; !isOver; copies++) cache->get(keyOf(*cache, "long"), {}, to.data(), to.size(), &value);
    });
    while (copies < 2) std::this_thread::yield();
    uint64_t left = kMany;
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(3);
    while (left >= kMany / 2 && std::chrono::steady_clock::now() < end) {
        cache->tick();
        left = kind->heap.stats().blocks;
    }
    isOver = true;
    reader.join();
    CHECK(left < kMany / 2, "%llu blocks are left", static_cast<unsigned long long>(left));
}

// Doubling may give a draft more room than a value's length has bits for.
void draftsHaveAnEnd() {
    const std::shared_ptr<Kind> kind = kindOf(16 * kMiB);
    const std::shared_ptr<Cache> cache = makeCache(kind, optionsOf(16 * kMiB, 100, Policy::kS3Fifo));
    const std::string name = "key";
    const Key key = keyOf(*cache, name);
    Draft draft;
    CHECK(cache->begin(key, 1, &draft) == 0);
    CHECK(cache->append(&draft, "a", 1) == 0);
    const uint64_t capacity = std::exchange(draft.capacity, UINT64_MAX);
    draft.length = cache::kMostValueBytes;
    CHECK(cache->append(&draft, "b", 1) == -EFBIG);
    draft.capacity = capacity;
    draft.length = 1;
    cache->abandon(&draft);
    uint64_t cursor = 1ull << 40;
    uint64_t wanted;
    unsigned char to[16];
    CHECK(cache->list(&cursor, to, sizeof to, &wanted) == 0 && cursor == Cache::kListEnd);
}

// Each time that something is due early, the alarm for what is due late stays the same one.
void oneAlarmForWhatIsFar() {
    const std::shared_ptr<Kind> kind = kindOf(16 * kMiB);
    const std::shared_ptr<Cache> cache = makeCache(kind, optionsOf(16 * kMiB, 100, Policy::kS3Fifo));
    Lifetime day;
    day.freshMs = uint64_t{24} * 60 * 60 * 1000;
    CHECK(cache->set(keyOf(*cache, "far"), "", 0, 0, day) == 0);
    // As the cache's own. Each task of the background holds it once.
    const auto alarm = std::make_shared<cache::Alarm>(cache);
    for (int i = 0; i < 100; i++) {
        alarm->wake(0);
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    CHECK(alarm.use_count() <= 4, "%ld tasks wait", alarm.use_count() - 1);
}

// However many entries go at once, few go without letting others have the locks: also if they are pinned and free
// nothing, and if their keys are long.
void goesInSmallParts() {
    class Parts final : public cache::RemovalSink {
      public:
        void removed(const std::vector<RemovedEntry>& entries) override {
            uint64_t bytes = 0;
            for (const RemovedEntry& entry : entries) bytes += entry.key.size();
            mostEntries = std::max(mostEntries, entries.size());
            mostBytes = std::max(mostBytes, bytes);
        }
        size_t mostEntries = 0;
        uint64_t mostBytes = 0;
    };
    const std::shared_ptr<Kind> kind = kindOf(64 * kMiB);
    const std::shared_ptr<Cache> cache =
        makeCache(kind, optionsOf(15 * kMiB + 128 * kKiB, UINT32_MAX, Policy::kS3Fifo));
    const auto parts = std::make_shared<Parts>();
    cache->listen(parts);
    const std::string large(15 * kMiB, 'x');
    std::vector<uint32_t> pins;
    for (int i = 0; i < 5000; i++) {
        const std::string name = std::to_string(i);
        const Key key = keyOf(*cache, name);
        Value value;
        CHECK(cache->set(key, "value", 5, 0, {}) == 0 && cache->pin(key, {}, &value) == 0);
        pins.push_back(value.entry);
    }
    CHECK(cache->set(keyOf(*cache, "large"), large.data(), large.size(), 0, {}) == 0);
    for (int i = 0; i < 20; i++) {
        const std::string name = std::to_string(i) + std::string(200'000, 'k');
        CHECK(cache->set(keyOf(*cache, name), "value", 5, 0, {}) == 0);
    }
    CHECK(cache->set(keyOf(*cache, "larger"), large.data(), large.size(), 0, {}) == 0);
    CHECK(parts->mostEntries > 0 && parts->mostEntries <= 64, "%zu entries", parts->mostEntries);
    CHECK(parts->mostBytes >= 200'000 && parts->mostBytes < 300'000, "%llu bytes of keys",
          static_cast<unsigned long long>(parts->mostBytes));
    for (const uint32_t pin : pins) cache->unpin(pin);
}

// Another thread uses the kind, too, and has free blocks. It is not asked for them, which takes 20 ms if it is busy, as
// long as something can be evicted.
void evictsBeforeItAsks() {
    const std::shared_ptr<Kind> kind = kindOf(16 * kMiB);
    ThreadCache other;
    CHECK(other.open() == 0 && kind->heap.attach(&other) == 0);
    std::atomic<int> asked{0};
    kind->heap.setWake(&other, [](void* data) { ++*static_cast<std::atomic<int>*>(data); }, &asked);
    CHECK(kind->heap.refill(&other, classOf(1000)) == 0);
    {
        const std::shared_ptr<Cache> cache = makeCache(kind, optionsOf(16 * kMiB, UINT32_MAX, Policy::kS3Fifo));
        const std::string bytes(2 * kMiB, 'x');
        const size_t lengths[] = {100, 3000, 30'000, 400'000, bytes.size()};
        for (int i = 0; i < 1000; i++) {
            CHECK(cache->set(keyOf(*cache, std::to_string(i)), bytes.data(), lengths[i % 5], 0, {}) == 0);
        }
        CHECK(cache->stats().removals[0] > 100 && asked == 0, "another thread was asked %d times", asked.load());
        std::vector<uint32_t> pins;
        for (int i = 1000; asked == 0; i++) {
            const std::string name = std::to_string(i);
            const Key key = keyOf(*cache, name);
            Value value;
            if (cache->set(key, bytes.data(), 400'000, 0, {}) != 0) break;
            CHECK(cache->pin(key, {}, &value) == 0);
            pins.push_back(value.entry);
        }
        CHECK(asked == 1, "nobody was asked when nothing was left to evict");
        for (const uint32_t pin : pins) cache->unpin(pin);
    }
    kind->heap.detach(&other);
}

// Where there are not enough addresses for all entries that there could be, a cache makes do with fewer.
void fewAddresses() {
    // The cache reserves three tables before its thread cache.
    for (uint32_t nth = 1; nth <= 3; nth++) {
        const std::shared_ptr<Kind> kind = kindOf(64 * kMiB);
        faults::arm({{faults::Call::kMmap, nth, ENOMEM, false}});
        int error;
        const auto cache = Cache::make(kind, optionsOf(64 * kMiB, UINT32_MAX, Policy::kS3Fifo), &error);
        CHECK(faults::disarm() == 1 && cache != nullptr, "error %d", error);
        CHECK(cache->set(keyOf(*cache, "key"), "value", 5, 0, {}) == 0 && cache->has(keyOf(*cache, "key")));
    }
}

}  // namespace

void testCache(const Options& options) {
    const auto rounds = [&](const char* test, void (*body)(uint64_t)) {
        Options part = options;
        part.seconds /= 4;
        forRounds(test, part, body);
    };
    context() = "cache";
    sortsAreDifferentKeys();
    s3FifoKeepsWhatIsUsed();
    entriesOfWhatWasCleared();
    clearsInNoTime();
    freesAroundTheBusy();
    draftsHaveAnEnd();
    oneAlarmForWhatIsFar();
    goesInSmallParts();
    evictsBeforeItAsks();
    fewAddresses();
    rounds("cache", againstModel);
    rounds("cache", lruInOrder);
    rounds("cache", wheelInTime);
    rounds("cache", listsEachKeyOnce);
}

void testCacheThreads(const Options& options) {
    manyThreads(options);
    Options part = options;
    part.seconds /= 4;
    forRounds("cache-threads", part, usedWhileCleared);
    forRounds("cache-threads", part, neverOutOfMemory);
    std::printf("cache-threads: %u threads for %.1f s\n", options.threads, options.seconds);
}

}  // namespace test
