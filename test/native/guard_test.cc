// The guard in files that lose their pages while they are mapped: what loads and stores find there, in one thread and
// in many, what is reported as lost, and how it comes back. guard_signals_test.cc tests what becomes of the signals
// that are not for the guard.
#include <sys/mman.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "guard/watch.h"
#include "lossy_file.h"
#include "syscalls/sizes.h"
#include "tests.h"

namespace test {

using daxkind::guard::isLost;
using daxkind::guard::Part;
using daxkind::guard::Watch;

namespace {

bool isSame(const std::vector<Part>& parts, const std::vector<Part>& expected) {
    if (parts.size() != expected.size()) return false;
    for (size_t i = 0; i < parts.size(); i++) {
        if (parts[i].offset != expected[i].offset || parts[i].length != expected[i].length) return false;
        if (parts[i].isPoisoned != expected[i].isPoisoned) return false;
    }
    return true;
}

// What a listener has been told, by pages. A call of the listener may still be under way when this object is gone.
class Told {
  public:
    explicit Told(uint64_t pages) : all_(std::make_shared<All>()) {
        all_->times.resize(pages);
        listener = std::make_shared<Watch::Listener>([all = all_](const std::vector<Part>& parts) {
            const std::lock_guard<std::mutex> lock(all->mutex);
            for (const Part& part : parts) {
                CHECK(!part.isPoisoned && part.length > 0);
                for (uint64_t at = 0; at < part.length; at += pageSize()) all->times[(part.offset + at) / pageSize()]++;
            }
        });
    }
    uint32_t times(uint64_t page) {
        const std::lock_guard<std::mutex> lock(all_->mutex);
        return all_->times[page];
    }
    std::shared_ptr<Watch::Listener> listener;

  private:
    struct All {
        std::mutex mutex;
        std::vector<uint32_t> times;
    };
    std::shared_ptr<All> all_;
};

void runThreads(uint32_t count, const std::function<void(uint32_t)>& body) {
    std::atomic<uint32_t> ready{0};
    std::vector<std::thread> threads;
    for (uint32_t i = 0; i < count; i++) {
        threads.emplace_back([&, i, words = context()] {
            context() = words;
            ready++;
            while (ready < count) std::this_thread::yield();
            body(i);
        });
    }
    for (std::thread& thread : threads) thread.join();
}

void readZerosAndKeepStores() {
    const uint64_t page = pageSize();
    LossyFile file(130);
    Watch watch;
    Told told(130);
    CHECK(watch.begin(file.base(), file.length(), page) == 0);
    watch.listen(told.listener);
    CHECK(file.at(page) == 1 && watch.allLost().empty() && !watch.hasLost(0, file.length()));
    CHECK(!isLost(file.base(), file.length()));

    file.truncate(10);
    // A page that nobody touches is not reported as lost.
    CHECK(file.at(9 * page) == 9 && watch.allLost().empty());
    CHECK(file.at(10 * page) == 0);
    file.at(11 * page + 100) = 7;
    file.at(129 * page + 5) += 1;
    file.at(64 * page) = 3;
    CHECK(file.at(10 * page) == 0 && file.at(11 * page + 100) == 7 && file.at(11 * page + 101) == 0);
    CHECK(file.at(129 * page + 5) == 1 && file.at(64 * page) == 3);
    CHECK(isSame(watch.allLost(), {{10 * page, 2 * page}, {64 * page, page}, {129 * page, page}}));

    // hasLost answers by bytes, and also for a range that covers only the end of a page.
    CHECK(!watch.hasLost(0, 10 * page) && watch.hasLost(0, 10 * page + 1) && !watch.hasLost(0, 0));
    CHECK(watch.hasLost(12 * page - 1, 1) && !watch.hasLost(12 * page, 52 * page));
    CHECK(watch.hasLost(12 * page, 52 * page + 1) && !watch.hasLost(65 * page, 64 * page));
    const auto lost = [&](uint64_t offset, uint64_t length) { return isLost(file.base() + offset, length); };
    CHECK(!lost(0, 10 * page) && lost(0, 10 * page + 1) && lost(12 * page - 1, 1) && !lost(10 * page, 0));
    // A range that goes beyond the watched one is checked up to its end. Memory that no watched range has is not lost.
    CHECK(lost(120 * page, 100 * page) && !isLost(&told, sizeof told) && !isLost(nullptr, 1));

    const auto isTold = [&](uint64_t index) { return told.times(index) > 0; };
    until("four pages are reported", [&] { return isTold(10) && isTold(11) && isTold(64) && isTold(129); });
    file.at(10 * page) = 1;
    file.at(12 * page) = 1;
    until("a later page is reported", [&] { return isTold(12); });
    for (uint64_t index = 0; index < 130; index++) {
        const bool isOne = (index >= 10 && index <= 12) || index == 64 || index == 129;
        CHECK(told.times(index) == (isOne ? 1 : 0), "page %lu: %u", index, told.times(index));
    }
    // The file has got nothing of the stores.
    file.truncate(130);
    CHECK(file.inFile(11 * page + 100) == 0 && file.at(11 * page + 100) == 7 && file.at(13 * page) == 0);
    watch.end();
    CHECK(watch.allLost().empty() && !watch.hasLost(0, file.length()) && !lost(0, file.length()));
}

void tellWhoComesLater() {
    const uint64_t page = pageSize();
    LossyFile file(5);
    Watch watch;
    CHECK(watch.begin(file.base(), file.length(), page) == 0);
    file.truncate(0);
    file.at(0) = 1;
    Told first(5);
    watch.listen(first.listener);
    until("a later listener hears of a page that nobody has heard of", [&] { return first.times(0) == 1; });
    Told second(5);
    watch.listen(second.listener);
    file.at(page) = 1;
    until("one of two listeners hears of the next page", [&] { return first.times(1) + second.times(1) == 2; });
    first.listener.reset();
    file.at(2 * page) = 1;
    until("the listener that is left hears of a page", [&] { return second.times(2) == 1; });
    second.listener.reset();
    file.at(3 * page) = 1;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    Told third(5);
    watch.listen(third.listener);
    until("a listener that comes after all have gone hears of a page", [&] { return third.times(3) == 1; });
    CHECK(first.times(2) == 0 && second.times(0) == 0 && second.times(3) == 0 && third.times(2) == 0);
}

void replaceWholeGranules() {
    constexpr uint64_t kGranule = 64 * daxkind::kKiB;
    const uint64_t page = pageSize();
    // Only a page of the last granule is in the file.
    LossyFile file(5 * kGranule / page + 1);
    Watch watch;
    CHECK(watch.begin(file.base(), file.length(), kGranule) == 0);
    // The page that is left in the file goes with its granule.
    file.truncate(2 * kGranule / page + 1);
    file.at(3 * kGranule - 1) = 5;
    CHECK(file.at(2 * kGranule) == 0 && file.at(2 * kGranule - 1) != 0);
    CHECK(isSame(watch.allLost(), {{2 * kGranule, kGranule}}));
    CHECK(watch.hasLost(2 * kGranule, 1) && !watch.hasLost(3 * kGranule, kGranule));
    file.at(file.length() - 1) = 6;
    CHECK(isSame(watch.allLost(), {{2 * kGranule, kGranule}, {5 * kGranule, page}}));
}

void bringBack() {
    const uint64_t page = pageSize();
    LossyFile file(200);
    Watch watch;
    CHECK(watch.begin(file.base(), file.length(), page) == 0);
    file.truncate(0);
    for (const uint64_t index : {3, 4, 5, 70, 199}) file.at(index * page) = 1;
    file.fill(200);

    std::vector<Part> asked;
    const auto back = [&](char* at, uint64_t offset, uint64_t length) {
        CHECK(at == file.base() + offset);
        asked.push_back({offset, length});
        return offset == 70 * page ? -EIO : file.mapAgain(offset, length);
    };
    // Only lost pieces are asked for, and only those in the given part.
    CHECK(watch.restore(0, 3 * page, back) == 0 && asked.empty());
    CHECK(watch.restore(4 * page, 195 * page, back) == -EIO);
    CHECK(isSame(asked, {{4 * page, 2 * page}, {70 * page, page}}));
    CHECK(isSame(watch.allLost(), {{3 * page, page}, {70 * page, page}, {199 * page, page}}));
    CHECK(file.at(4 * page) == 4 && file.at(5 * page) == 5 && file.at(70 * page) == 1 && file.at(3 * page) == 1);
    CHECK(isLost(file.base() + 3 * page, 2 * page) && !isLost(file.base() + 4 * page, 2 * page));
    file.at(4 * page) = 9;
    CHECK(file.inFile(4 * page) == 9);

    asked.clear();
    CHECK(watch.restore(199 * page, page, back) == 0 && isSame(asked, {{199 * page, page}}));
    CHECK(file.at(199 * page) == static_cast<char>(199));
    CHECK(watch.restore(0, file.length(), back) == -EIO);
    CHECK(isSame(watch.allLost(), {{70 * page, page}}));
    // The page can be lost again, and is reported again.
    Told told(200);
    watch.listen(told.listener);
    file.truncate(0);
    CHECK(file.at(4 * page) == 0 && watch.hasLost(4 * page, 1));
    until("the page is reported again", [&] { return told.times(4) == 1; });
    CHECK(told.times(5) == 0 && told.times(199) == 0);
}

// For ThreadSanitizer the guard's mmap is a store into the page like any other, in whichever thread it is made. The
// kernel has no such race.
__attribute__((no_sanitize("thread"))) void increment(char* counter) {
    __atomic_fetch_add(reinterpret_cast<uint64_t*>(counter), 1, __ATOMIC_SEQ_CST);
}

void loseNoIncrement(uint32_t threads) {
    constexpr uint64_t kPages = 200;
    constexpr uint32_t kTimes = 3;
    LossyFile file(kPages);
    Watch watch;
    Told told(kPages);
    CHECK(watch.begin(file.base(), file.length(), pageSize()) == 0);
    watch.listen(told.listener);
    file.truncate(0);
    const auto counter = [&](uint64_t index) { return file.base() + index * pageSize(); };
    runThreads(threads, [&](uint32_t) {
        for (uint64_t index = 0; index < kPages; index++) {
            for (uint32_t i = 0; i < kTimes; i++) increment(counter(index));
        }
    });
    for (uint64_t index = 0; index < kPages; index++) {
        const uint64_t count = *reinterpret_cast<uint64_t*>(counter(index));
        CHECK(count == uint64_t{threads} * kTimes, "page %lu: %lu", index, count);
    }
    CHECK(isSame(watch.allLost(), {{0, file.length()}}));
    until("every page is reported", [&] {
        for (uint64_t index = 0; index < kPages; index++) {
            if (told.times(index) == 0) return false;
        }
        return true;
    });
    for (uint64_t index = 0; index < kPages; index++) CHECK(told.times(index) == 1);
}

// As increment().
__attribute__((no_sanitize("thread"))) char look(const char* at) {
    return __atomic_load_n(at, __ATOMIC_SEQ_CST);
}

// Who sees the zeros of a page that another thread has just lost can ask, and is told that the page is lost.
void knowZeros(uint32_t threads) {
    constexpr uint64_t kPages = 2000;
    LossyFile file(kPages);
    Watch watch;
    CHECK(watch.begin(file.base(), file.length(), pageSize()) == 0);
    file.truncate(0);
    runThreads(threads, [&](uint32_t) {
        for (uint64_t at = 0; at < file.length(); at += pageSize()) {
            const char seen = look(file.base() + at);
            CHECK(seen != 0 || at / pageSize() % 256 == 0 || watch.hasLost(at, 1), "page %lu", at / pageSize());
        }
    });
}

// Half of the threads begin and end watches, each in a file of its own. Each other thread has one watch for good, and
// loses its pages, asks for them and maps them again.
void beginAndEndMeanwhile(uint32_t threads, uint64_t seed) {
    runThreads(threads, [&](uint32_t number) {
        Random random(seed * 1000 + number);
        const uint64_t page = pageSize();
        if (number % 2 == 0) {
            for (int i = 0; i < 60; i++) {
                const uint64_t pages = 1 + random.below(100);
                LossyFile file(pages);
                Watch watch;
                CHECK(watch.begin(file.base(), file.length(), page) == 0);
                file.truncate(0);
                for (uint64_t index = 0; index < pages; index += 1 + random.below(9)) file.at(index * page)++;
                CHECK(watch.hasLost(0, 1) && watch.allLost()[0].offset == 0);
                if (random.percent(50)) watch.end();
            }
            return;
        }
        LossyFile file(100);
        Watch watch;
        Told told(100);
        CHECK(watch.begin(file.base(), file.length(), page) == 0);
        watch.listen(told.listener);
        for (int i = 0; i < 60; i++) {
            file.truncate(0);
            const uint64_t index = random.below(100);
            file.at(index * page) = 1;
            CHECK(isLost(file.base() + index * page, page) && isSame(watch.allLost(), {{index * page, page}}));
            file.fill(100);
            const auto back = [&](char*, uint64_t at, uint64_t length) { return file.mapAgain(at, length); };
            CHECK(watch.restore(0, file.length(), back) == 0 && watch.allLost().empty());
            CHECK(file.at(index * page) == static_cast<char>(index));
        }
        watch.end();
    });
}

}  // namespace

void testGuard(const Options& options) {
    context() = "guard";
    readZerosAndKeepStores();
    tellWhoComesLater();
    replaceWholeGranules();
    bringBack();
    forRounds("guard", options, [&](uint64_t seed) {
        loseNoIncrement(options.threads);
        knowZeros(options.threads);
        beginAndEndMeanwhile(options.threads, seed);
    });
}

}  // namespace test
