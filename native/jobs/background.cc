// See background.h.
#include "jobs/background.h"

#include <pthread.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstdlib>
#include <map>
#include <mutex>
#include <new>
#include <utility>

#include "jobs/thread.h"

namespace daxkind {

namespace {

using Clock = std::chrono::steady_clock;

// More would take processor time from event loops, and do the work no sooner. It is more than the few whose step never
// ends: to punch a hole waits for as long as a device has a page of it pinned.
constexpr int kMostThreads = 16;
constexpr std::chrono::milliseconds kTurn(20);

struct Background {
    std::mutex mutex;
    std::condition_variable changed;
    // By when the next step is due; those that nobody works on now.
    std::multimap<Clock::time_point, std::unique_ptr<Task>> tasks;
    int threads = 0;
    // Threads that will look at the tasks before they do anything else: they wait, or begin, or come back.
    int idle = 0;
};

std::atomic<bool> isProcessEnding{false};

// Never destroyed: threads may still run while the process ends.
Background& background() {
    static Background* const only = [] {
        std::atexit([] { isProcessEnding = true; });
        return new Background();
    }();
    return *only;
}

void* work(void*);

int addThread(Background& all) {
    const int error = startThread(work, nullptr);
    if (error != 0) return error;
    all.threads++;
    all.idle++;
    return 0;
}

// Sees to it that some thread looks at the tasks, if there is any; called under the lock, when there are new ones or a
// thread looks no more.
int summon(Background& all) {
    if (all.tasks.empty() || isProcessEnding) return 0;
    if (all.idle == 0) return all.threads < kMostThreads ? addThread(all) : 0;
    all.changed.notify_one();
    return 0;
}

std::optional<std::chrono::milliseconds> takeTurn(Task& task) {
    const auto end = Clock::now() + kTurn;
    for (;;) {
        const auto delay = task.step();
        if (!delay || delay->count() > 0 || isProcessEnding || Clock::now() >= end) return delay;
    }
}

void* work(void*) {
    pthread_setname_np(pthread_self(), "daxkind");
    Background& all = background();
    std::unique_lock<std::mutex> lock(all.mutex);
    while (!all.tasks.empty() && !isProcessEnding) {
        const Clock::time_point due = all.tasks.begin()->first;
        if (due > Clock::now()) {
            // One that waits is enough.
            if (all.idle > 1) break;
            all.changed.wait_until(lock, due);
            continue;
        }
        auto entry = all.tasks.extract(all.tasks.begin());
        all.idle--;
        // A failure leaves the others to this thread.
        summon(all);
        lock.unlock();
        const auto delay = takeTurn(*entry.mapped());
        if (!delay) entry = {};
        lock.lock();
        all.idle++;
        if (!delay) continue;
        entry.key() = Clock::now() + *delay;
        all.tasks.insert(std::move(entry));
    }
    all.idle--;
    all.threads--;
    summon(all);
    return nullptr;
}

}  // namespace

int doInBackground(std::unique_ptr<Task>& task, std::chrono::milliseconds delay) {
    Background& all = background();
    const std::lock_guard<std::mutex> lock(all.mutex);
    std::multimap<Clock::time_point, std::unique_ptr<Task>>::iterator entry;
    try {
        entry = all.tasks.emplace(Clock::now() + delay, nullptr);
    } catch (const std::bad_alloc&) {
        return -ENOMEM;
    }
    entry->second = std::move(task);
    const int error = summon(all);
    if (error == 0 || all.threads > 0) return 0;
    task = std::move(entry->second);
    all.tasks.erase(entry);
    return error;
}

}  // namespace daxkind
