// The guard. Memory that is mapped from a file or a device can lose pages at any time: the medium has a bad block,
// somebody truncates the file, the file system has no room for a hole, a device is unbound. An access is SIGBUS then,
// and ends the process. In a watched range it does not: a page of zeros, private to the process, takes the place of the
// lost one, and the listeners are told. Docs: docs/decisions/guard.md.
//
// The guard costs nothing as long as nothing is lost.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "guard/watched.h"

namespace daxkind::guard {

// A range of addresses that is watched. Any thread may call any function at any time, except begin() and end(): only
// one thread calls those.
class Watch {
  public:
    // The guard's thread calls it with what has been lost.
    using Listener = std::function<void(const std::vector<Part>&)>;

    Watch() = default;
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;
    ~Watch() { end(); }

    // 0, or -errno: -EAGAIN if no thread can be made, -ENOMEM if there are too many ranges or no memory. `failedCall`
    // is pthread_create or malloc. `granule`: see watched.h.
    int begin(void* base, uint64_t length, uint64_t granule, const char** failedCall = nullptr);
    // Must be called before anybody else can get the addresses. No call of a listener begins afterwards.
    void end();
    // More than one may listen. A listener that is destroyed hears nothing more, but a call of it may still be under
    // way.
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

// Whether a byte of that memory is lost. The address may be anywhere.
bool isLost(const void* address, uint64_t length);

}  // namespace daxkind::guard
