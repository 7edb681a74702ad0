// The guard: what is mapped from a file or a device can lose pages at any time. A bad block of the medium, a file that
// somebody has truncated, a file system without room for a hole, a device that has been unbound: an access is SIGBUS,
// and the end of the process. Where a range is watched it is not: the page becomes one of zeros, private to the
// process, and whoever wants to know is told. Docs: docs/decisions/guard.md.
//
// It costs nothing as long as nothing is lost.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "guard/watched.h"

namespace daxkind::guard {

// A range of addresses that is watched. Every call may come from any thread, but begin() and end() from one.
class Watch {
  public:
    // Is told what has been lost, by the guard's thread.
    using Listener = std::function<void(const std::vector<Part>&)>;

    Watch() = default;
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;
    ~Watch() { end(); }

    // 0, or -errno: -EAGAIN if there can be no thread, -ENOMEM if there are too many ranges, or no memory.
    // `failedCall`: pthread_create or malloc. `granule`: see watched.h.
    int begin(void* base, uint64_t length, uint64_t granule, const char** failedCall = nullptr);
    // While the addresses are still nobody else's. No call of a listener begins afterwards.
    void end();
    // More than one may listen. One who is destroyed hears nothing more, but a call may be under way.
    void listen(const std::shared_ptr<Listener>& listener);

    bool hasLost(uint64_t offset, uint64_t length) const;
    std::vector<Part> allLost() const;
    // See Watched::restore().
    int restore(uint64_t offset, uint64_t length, const std::function<int(char*, uint64_t, uint64_t)>& back);

  private:
    friend class Reports;

    Watched* range_ = nullptr;
    std::mutex mutex_;
    std::vector<std::weak_ptr<Listener>> listeners_;
};

// Whether something is lost of the bytes there, wherever they are.
bool isLost(const void* address, uint64_t length);

}  // namespace daxkind::guard
