// What creating and prefaulting a kind consist of, made by this thread or by a job.
#pragma once

#include <napi.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "binding/kind_table.h"
#include "jobs/pace.h"

namespace daxkind {

struct PmemKindRequest {
    std::string directory;
    uint64_t maxSize = 0;
    bool conservative = false;
    bool sync = false;
    bool prefault = false;
    bool debug = false;
};

// The arguments (directory, maxSize, conservative, sync, prefault, debug). Not an object: to read its properties fails
// in a worker that is being terminated.
PmemKindRequest takeKindRequest(const Napi::CallbackInfo& info);

// The control of a job (see job.h).
struct JobControl {
    std::atomic<double> isAborted{0};
    std::atomic<double> done{0};   // Bytes.
    std::atomic<double> total{0};  // Bytes.
};

// Makes a kind, without faulting it in. 0 or -errno with the system call that failed.
int makePmemKind(const PmemKindRequest& request, std::shared_ptr<Kind>* made, const char** failedCall);

// Commits all of a kind and faults it in. The storage is kept from then on.
class Prefault {
  public:
    explicit Prefault(std::shared_ptr<Kind> kind) : kind_(std::move(kind)) {}

    // A step of some milliseconds: kMore, 0 when all is done, or -errno with the system call that failed.
    int step(JobControl& control, const char** failedCall);

  private:
    const std::shared_ptr<Kind> kind_;
    uint64_t offset_ = 0;
    // From a huge page to as much as takes 5 ms where a page of 4 KiB takes 2.5 us, as on slow media.
    Pace pace_{2 * 1024 * 1024, 8 * 1024 * 1024};
};

}  // namespace daxkind
