// The threads of native/jobs: what they promise about turns, times and ends.
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "jobs/background.h"
#include "tests.h"

namespace {

std::atomic<bool> canStartThreads{true};

}  // namespace

extern "C" int __real_pthread_create(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
extern "C" int __wrap_pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*body)(void*),
                                     void* argument) {
    return canStartThreads ? __real_pthread_create(thread, attributes, body, argument) : EAGAIN;
}
namespace test {

namespace {

using daxkind::doInBackground;
using daxkind::Task;
using std::chrono::milliseconds;
using Step = std::function<std::optional<milliseconds>()>;

std::atomic<int> alive{0};

class Counted final : public Task {
  public:
    explicit Counted(Step step) : step_(std::move(step)) { alive++; }
    ~Counted() override {
        CHECK(!isBusy_, "a task was destroyed in its step");
        alive--;
    }
    std::optional<milliseconds> step() override {
        CHECK(!isBusy_.exchange(true), "two threads made steps of one task");
        const auto delay = step_();
        isBusy_ = false;
        return delay;
    }

  private:
    const Step step_;
    std::atomic<bool> isBusy_{false};
};

void post(Step step, milliseconds delay = {}) {
    std::unique_ptr<Task> task = std::make_unique<Counted>(std::move(step));
    CHECK(doInBackground(task, delay) == 0 && task == nullptr);
}

long threads() {
    const std::filesystem::directory_iterator all("/proc/self/task");
    return std::distance(begin(all), end(all));
}

void takeTurns(long before) {
    constexpr size_t kLong = 50;
    std::vector<std::atomic<int>> steps(kLong);
    std::atomic<bool> mayEnd{false};
    std::atomic<bool> isShortDone{false};
    for (std::atomic<int>& count : steps) {
        post([&]() -> std::optional<milliseconds> {
            count++;
            std::this_thread::sleep_for(milliseconds(1));
            return mayEnd ? std::nullopt : std::optional(milliseconds(0));
        });
    }
    post([&]() -> std::optional<milliseconds> {
        isShortDone = true;
        return std::nullopt;
    });
    until("a short task is done while 50 others go on", [&] { return isShortDone.load(); });
    for (std::atomic<int>& count : steps) {
        until("each long task has its turns", [&] { return count >= 30; });
    }
    CHECK(threads() - before <= 16, "%ld threads", threads() - before);
    CHECK(alive == kLong);
    mayEnd = true;
    until("all tasks are destroyed", [] { return alive == 0; });
}

void keepTimes() {
    std::atomic<int> ticks{0};
    std::atomic<bool> isLateDone{false};
    auto last = std::chrono::steady_clock::now();
    post(
        [&]() -> std::optional<milliseconds> {
            const auto now = std::chrono::steady_clock::now();
            CHECK(now - last >= milliseconds(20));
            last = now;
            return ++ticks == 5 ? std::nullopt : std::optional(milliseconds(20));
        },
        milliseconds(20));
    // A task that waits for long delays no task that is due.
    std::atomic<int> calls{0};
    post([&]() -> std::optional<milliseconds> {
        if (calls++ == 0) return milliseconds(1000);
        CHECK(isLateDone);
        return std::nullopt;
    });
    post(
        [&]() -> std::optional<milliseconds> {
            isLateDone = true;
            return std::nullopt;
        },
        milliseconds(5));
    until("all tasks are destroyed", [] { return alive == 0; });
    CHECK(ticks == 5 && calls == 2);
}

void doWithoutThreads() {
    canStartThreads = false;
    std::unique_ptr<Task> task = std::make_unique<Counted>([] { return std::nullopt; });
    CHECK(doInBackground(task) == -EAGAIN && task != nullptr);
    canStartThreads = true;
    CHECK(doInBackground(task) == 0 && task == nullptr);
    until("a task that was refused is done", [] { return alive == 0; });
}

std::atomic<int> stepsAtEnd{0};

// An exit handler that was there before the threads. It runs after their own handler, as the destructor of a static
// object does.
void watchEnd() {
    std::this_thread::sleep_for(milliseconds(20));
    const int steps = stepsAtEnd;
    std::this_thread::sleep_for(milliseconds(50));
    _exit(steps > 0 && stepsAtEnd == steps ? 0 : 1);
}

}  // namespace

void testJobsAtExit(const Options&) {
    context() = "jobs-at-exit";
    std::atexit(watchEnd);
    for (int i = 0; i < 20; i++) {
        post([]() -> std::optional<milliseconds> {
            stepsAtEnd++;
            std::this_thread::sleep_for(milliseconds(1));
            return milliseconds(0);
        });
    }
    until("tasks are under way", [] { return stepsAtEnd > 100; });
    std::exit(2);  // NOLINT(concurrency-mt-unsafe): that threads are at work is what is tested.
}

void testJobs(const Options&) {
    context() = "jobs";
    const long before = threads();
    takeTurns(before);
    keepTimes();
    doWithoutThreads();
    until("no thread is left", [&] { return threads() == before; });

    context() = "jobs-at-exit";
    const pid_t child = fork();
    if (child == 0) {
        execl("/proc/self/exe", "native-test", "jobs-at-exit", nullptr);
        _exit(3);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %#x", status);
    std::printf("jobs: done\n");
}

}  // namespace test
