#include "guard/watch.h"

#include <pthread.h>
#include <semaphore.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <new>
#include <unordered_set>
#include <utility>

#include "guard/handler.h"
#include "jobs/thread.h"

namespace daxkind::guard {

namespace {

// How long a handler that others have installed may stay in place of this one.
constexpr long kLookNs = 500'000'000;

void dropGone(std::vector<std::weak_ptr<Watch::Listener>>* listeners) {
    const auto isGone = [](const std::weak_ptr<Watch::Listener>& listener) { return listener.expired(); };
    listeners->erase(std::remove_if(listeners->begin(), listeners->end(), isGone), listeners->end());
}

}  // namespace

// Tells the listeners. It has a thread of its own, because a listener takes locks that others may hold for a while.
class Reports {
  public:
    static Reports& all() {
        // It is never destroyed, because its thread runs until the process ends.
        static Reports* const only = new Reports();
        return *only;
    }

    // 0, or -errno with the call that failed.
    int add(Watch* watch, const char** failedCall) {
        *failedCall = "pthread_create";
        const std::lock_guard<std::mutex> lock(mutex_);
        if (!isRunning_) {
            const auto body = [](void* self) -> void* {
                static_cast<Reports*>(self)->run();
                return nullptr;
            };
            if (const int error = startThread(body, this); error != 0) return error;
            isRunning_ = true;
        }
        *failedCall = "malloc";
        try {
            watches_.insert(watch);
        } catch (const std::bad_alloc&) {
            return -ENOMEM;
        }
        // The thread sleeps while there is nothing to watch.
        if (watches_.size() == 1) sem_post(&served());
        return 0;
    }
    void remove(Watch* watch) {
        const std::lock_guard<std::mutex> lock(mutex_);
        watches_.erase(watch);
    }

  private:
    struct Report {
        std::shared_ptr<Watch::Listener> listener;
        std::vector<Part> parts;
    };

    void run();
    // Waits until something is lost. False if it is time to check the handler.
    bool isWoken();
    void tell();

    std::mutex mutex_;
    bool isRunning_ = false;
    std::unordered_set<Watch*> watches_;
};

void Reports::run() {
    pthread_setname_np(pthread_self(), "sigbus-guard");
    for (;;) {
        if (isWoken()) {
            // One look is enough for many faults.
            while (sem_trywait(&served()) == 0) continue;
            tell();
        } else {
            arm();
        }
    }
}

bool Reports::isWoken() {
    timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += kLookNs;
    until.tv_sec += until.tv_nsec / 1'000'000'000;
    until.tv_nsec %= 1'000'000'000;
    bool isIdle;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        isIdle = watches_.empty();
    }
    return (isIdle ? sem_wait(&served()) : sem_timedwait(&served(), &until)) == 0;
}

void Reports::tell() {
    std::vector<Report> reports;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        for (Watch* const watch : watches_) {
            const std::lock_guard<std::mutex> listening(watch->mutex_);
            dropGone(&watch->listeners_);
            // If there is nobody to tell, it stays news.
            if (watch->listeners_.empty()) continue;
            const std::vector<Part> parts = watch->range_->takeNews();
            if (parts.empty()) continue;
            for (const auto& weak : watch->listeners_) {
                if (auto listener = weak.lock()) reports.push_back({std::move(listener), parts});
            }
        }
    }
    for (const Report& report : reports) (*report.listener)(report.parts);
}

int Watch::begin(void* base, uint64_t length, uint64_t granule, const char** failedCall) {
    const char* unwanted = nullptr;
    if (failedCall == nullptr) failedCall = &unwanted;
    *failedCall = "malloc";
    range_ = addWatched(base, length, granule);
    if (range_ == nullptr) return -ENOMEM;
    arm();
    const int error = Reports::all().add(this, failedCall);
    if (error == 0) return 0;
    removeWatched(range_);
    range_ = nullptr;
    return error;
}

void Watch::end() {
    if (range_ == nullptr) return;
    Reports::all().remove(this);
    removeWatched(range_);
    range_ = nullptr;
}

void Watch::listen(const std::shared_ptr<Listener>& listener) {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        dropGone(&listeners_);
        listeners_.push_back(listener);
    }
    // This listener may be the first, and has to hear of what was lost before.
    if (range_ != nullptr && range_->hasNews()) sem_post(&served());
}

bool Watch::hasLost(uint64_t offset, uint64_t length) const {
    return range_ != nullptr && range_->hasLost(offset, length);
}

std::vector<Part> Watch::allLost() const {
    return range_ == nullptr ? std::vector<Part>() : range_->allLost();
}

int Watch::restore(uint64_t offset, uint64_t length, const std::function<int(char*, uint64_t, uint64_t)>& back) {
    return range_ == nullptr ? 0 : range_->restore(offset, length, back);
}

bool isLost(const void* address, uint64_t length) {
    if (!isAnythingLost() || length == 0) return false;
    const auto from = reinterpret_cast<uintptr_t>(address);
    Watched* const range = enterAt(from);
    if (range == nullptr) return false;
    const uint64_t offset = from - range->from();
    const bool isLost = range->hasLost(offset, std::min<uint64_t>(length, range->to() - from));
    range->leave();
    return isLost;
}

}  // namespace daxkind::guard
