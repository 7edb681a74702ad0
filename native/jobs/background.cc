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

// More threads would take processor time from event loops, and do the work no sooner. A few may be stuck in a step that
// does not end, because punching a hole waits for as long as a device has a page of it pinned. 16 is more than those.
constexpr int kMostThreads = 16;
constexpr std::chrono::milliseconds kTurn(20);

struct Background {
    std::mutex mutex;
    std::condition_variable changed;
    // The tasks that no thread works on now, by the time when their next step is due.
    std::multimap<Clock::time_point, std::unique_ptr<Task>> tasks;
    int threads = 0;
    // How many threads will look at the tasks before they do anything else. They wait, or begin, or come back from a
    // task.
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

// If there are tasks, makes sure that a thread looks at them. Called under the lock, when there are new tasks or a
// thread stops looking.
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
            // One thread that waits is enough.
            if (all.idle > 1) break;
            all.changed.wait_until(lock, due);
            continue;
        }
        auto entry = all.tasks.extract(all.tasks.begin());
        all.idle--;
        // If that fails, this thread does the other tasks after this one.
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
