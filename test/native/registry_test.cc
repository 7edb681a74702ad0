// The registry of kinds: who can find a kind, by what, and for how long; and the numbers for raw handles. In the last
// part several threads do this at once, for a program with -fsanitize=thread.
#include "kind/registry.h"

#include <atomic>
#include <cstdio>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "fake_region.h"
#include "heap/raw_numbers.h"
#include "kinds.h"
#include "syscalls/sizes.h"
#include "tests.h"

namespace test {

using namespace daxkind;

namespace {

constexpr uint64_t kAllHandles = RawNumbers::kEnd - RawNumbers::kFirst;

std::shared_ptr<Kind> registered() {
    std::shared_ptr<Kind> kind = makeKind(std::make_shared<FakeRegion>(FakeRegion::Shape{2 * kMiB, false}, 1));
    registerKind(kind);
    return kind;
}

std::string secretFor(Kind& kind) {
    std::string secret;
    CHECK(secretOf(kind, &secret) == 0);
    return secret;
}

void giveNumbersOnce() {
    std::set<uint32_t> seen;
    std::vector<std::shared_ptr<Kind>> kept;
    for (int i = 0; i < 100; i++) {
        // At first there is no other kind.
        const std::shared_ptr<Kind> kind = registered();
        CHECK(kind->number != 0 && seen.insert(kind->number).second, "the number %u is used again", kind->number);
        if (i > 50 && i % 10 == 0) kept.push_back(kind);
    }
}

void findBySecret() {
    const std::shared_ptr<Kind> kind = registered();
    const std::shared_ptr<Kind> other = registered();
    CHECK(findKind(kind->number, "") == nullptr, "a kind that nobody shared was found");
    const std::string secret = secretFor(*kind);
    CHECK(secret.size() == 32 && secret.find_first_not_of("0123456789abcdef") == std::string::npos, "%s",
          secret.c_str());
    CHECK(secretFor(*kind) == secret && secretFor(*other) != secret);
    CHECK(findKind(kind->number, secret) == kind);
    CHECK(findKind(kind->number, "") == nullptr && findKind(kind->number, secret.substr(1)) == nullptr);
    CHECK(findKind(other->number, secret) == nullptr);
    CHECK(findKind(other->number + 1, secret) == nullptr && findKind(0, secret) == nullptr);
}

void loseWhatIsGone() {
    std::shared_ptr<Kind> kind = registered();
    const uint32_t number = kind->number;
    const std::string secret = secretFor(*kind);
    std::shared_ptr<Kind> second = findKind(number, secret);
    kind.reset();
    CHECK(findKind(number, secret) == second, "a kind that somebody holds is gone");
    // Another thread gives its storage back later.
    second.reset();
    CHECK(findKind(number, secret) == nullptr, "a kind that nobody holds was found");
}

void giveHandlesBack() {
    const Kind::AtOnce atOnce;
    std::shared_ptr<Kind> kind = registered();
    const std::shared_ptr<Kind> other = registered();
    const uint64_t count = kAllHandles / 2 + 1;
    const uint64_t first = firstHandleOf(*kind, count);
    CHECK(first >= RawNumbers::kFirst && first + count <= RawNumbers::kEnd);
    CHECK(firstHandleOf(*kind, count) == first, "a second thread got other numbers");
    CHECK(isHandleOfSomeKind(first) && isHandleOfSomeKind(first + count - 1) && !isHandleOfSomeKind(0));
    CHECK(firstHandleOf(*other, count) == 0, "two kinds got more numbers than there are");
    kind.reset();
    CHECK(isHandleOfSomeKind(first), "a number of a closed kind counts as foreign");
    CHECK(firstHandleOf(*other, count) != 0, "the numbers of a closed kind are lost");
}

void shareAmongThreads(const Options& options) {
    std::atomic<uint32_t> number{0};
    std::atomic<uint32_t> found{0};
    const std::shared_ptr<Kind> first = registered();
    const std::string secret = secretFor(*first);
    number = first->number;
    std::vector<std::thread> threads;
    for (uint32_t i = 0; i < options.threads; i++) {
        threads.emplace_back([&] {
            for (int turn = 0; turn < 200; turn++) {
                const std::shared_ptr<Kind> own = registered();
                CHECK(findKind(own->number, secretFor(*own)) == own);
                CHECK(firstHandleOf(*own, 1000) != 0 && isHandleOfSomeKind(own->firstHandle + 999));
                if (findKind(number, secret) != nullptr) found++;
                CHECK(secretFor(*first) == secret);
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(found == 200 * options.threads);
}

}  // namespace

void testRegistry(const Options& options) {
    context() = "registry";
    CHECK(processNonce() == processNonce() && processNonce() < 1ull << 52);
    {
        const Kind::AtOnce atOnce;
        giveNumbersOnce();
    }
    findBySecret();
    loseWhatIsGone();
    giveHandlesBack();
    shareAmongThreads(options);
    std::printf("registry: done\n");
}

}  // namespace test
