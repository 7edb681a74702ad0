#include "kind/decay.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <set>
#include <unordered_map>

namespace daxkind {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// How long a thread stays that has nothing to do.
constexpr milliseconds kIdle{10'000};
// How long endDecay waits.
constexpr milliseconds kEnding{20};
// Heaps that are called at a time, so that decay takes no more than one processor; more when a call does not return.
constexpr int kMostCalls = 1;
constexpr milliseconds kStuck{100};
constexpr size_t kStackSize = 256 * 1024;

constexpr Clock::time_point kNever = Clock::time_point::max();

struct Entry {
    std::weak_ptr<Heap> heap;
    Clock::time_point due = kNever;
    bool isCalled = false;
    bool isEnded = false;
};

struct Schedule {
    std::mutex mutex;
    std::condition_variable changed;
    std::condition_variable returned;
    std::unordered_map<uint64_t, Entry> entries;
    std::set<std::pair<Clock::time_point, uint64_t>> dues;
    uint64_t last = 0;
    int waiting = 0;  // Threads that are in no call.
    int calling = 0;
    Clock::time_point lastCall;

    void setDue(uint64_t number, Entry& entry, Clock::time_point due) {
        if (entry.due != kNever) dues.erase({entry.due, number});
        entry.due = due;
        if (due != kNever) dues.insert({due, number});
    }
};

// Never destroyed: the threads still run while the process ends.
Schedule& schedule() {
    static Schedule* const only = new Schedule();
    return *only;
}

void* run(void*);

// If there can be no thread now, the storage waits for the next that is needed.
void startThread(Schedule& all) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, kStackSize);
    // Signals are for the threads of the program.
    sigset_t every;
    sigset_t before;
    sigfillset(&every);
    pthread_sigmask(SIG_SETMASK, &every, &before);
    pthread_t thread;
    if (pthread_create(&thread, &attributes, run, nullptr) == 0) all.waiting++;
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    pthread_attr_destroy(&attributes);
}

// Waits for a heap that is due, and takes its time off the schedule; 0 when there has been none for long.
uint64_t awaitDue(Schedule& all, std::unique_lock<std::mutex>& lock) {
    const Clock::time_point until = Clock::now() + kIdle;
    for (;;) {
        const Clock::time_point now = Clock::now();
        Clock::time_point wait = all.dues.empty() ? until : all.dues.begin()->first;
        if (wait <= now) {
            if (all.dues.empty()) return 0;
            if (all.calling < kMostCalls || now - all.lastCall >= kStuck) {
                const uint64_t number = all.dues.begin()->second;
                all.setDue(number, all.entries[number], kNever);
                return number;
            }
            wait = all.lastCall + kStuck;
        }
        all.changed.wait_until(lock, wait);
    }
}

void call(Schedule& all, std::unique_lock<std::mutex>& lock, uint64_t number) {
    // A reference to an element outlives changes of the table; nobody else erases one that is called.
    Entry& entry = all.entries[number];
    std::shared_ptr<Heap> heap = entry.heap.lock();
    if (heap == nullptr) {
        all.entries.erase(number);
        return;
    }
    entry.isCalled = true;
    all.calling++;
    all.lastCall = Clock::now();
    lock.unlock();
    const uint32_t nextInMs = heap->decay().nextInMs;
    heap.reset();
    lock.lock();
    all.calling--;
    entry.isCalled = false;
    if (entry.isEnded) {
        all.entries.erase(number);
    } else if (nextInMs != GivingStep::kNever) {
        all.setDue(number, entry, std::min(entry.due, Clock::now() + milliseconds(nextInMs)));
    }
    all.returned.notify_all();
    all.changed.notify_all();
}

void* run(void*) {
    pthread_setname_np(pthread_self(), "daxkind-decay");
    Schedule& all = schedule();
    std::unique_lock<std::mutex> lock(all.mutex);
    while (const uint64_t number = awaitDue(all, lock)) {
        all.waiting--;
        if (all.waiting == 0) startThread(all);
        call(all, lock, number);
        all.waiting++;
    }
    all.waiting--;
    return nullptr;
}

void wake(void* data, uint32_t inMs) {
    Schedule& all = schedule();
    const std::lock_guard<std::mutex> lock(all.mutex);
    const uint64_t number = reinterpret_cast<uintptr_t>(data);
    const auto at = all.entries.find(number);
    if (at == all.entries.end() || at->second.isEnded) return;
    all.setDue(number, at->second, std::min(at->second.due, Clock::now() + milliseconds(inMs)));
    if (all.waiting == 0) startThread(all);
    all.changed.notify_one();
}

}  // namespace

uint64_t startDecay(const std::shared_ptr<Heap>& heap) {
    Schedule& all = schedule();
    uint64_t number;
    {
        const std::lock_guard<std::mutex> lock(all.mutex);
        number = ++all.last;
        all.entries[number].heap = heap;
    }
    heap->setDecay(wake, reinterpret_cast<void*>(static_cast<uintptr_t>(number)));
    return number;
}

void endDecay(uint64_t number, bool isAwaited) {
    Schedule& all = schedule();
    std::unique_lock<std::mutex> lock(all.mutex);
    const auto at = all.entries.find(number);
    if (at == all.entries.end()) return;
    all.setDue(number, at->second, kNever);
    if (!at->second.isCalled) {
        all.entries.erase(at);
        return;
    }
    at->second.isEnded = true;
    if (!isAwaited) return;
    all.returned.wait_for(lock, kEnding, [&all, number] { return all.entries.count(number) == 0; });
}

}  // namespace daxkind
