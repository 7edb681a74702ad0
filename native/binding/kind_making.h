// What creating and prefaulting a kind consist of, made by this thread or by a job of the thread pool.
#pragma once

#include <napi.h>

#include <cstdint>
#include <memory>
#include <string>

#include "binding/kind_table.h"

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

// The control of a job (see job.h). Aligned doubles are read and written whole on all our architectures.
struct JobControl {
    volatile double isAborted = 0;
    volatile double done = 0;   // Bytes.
    volatile double total = 0;  // Bytes.
};

// 0 or -errno with the system call that failed; -ECANCELED when it was aborted.
int makePmemKind(const PmemKindRequest& request, JobControl& control, std::shared_ptr<Kind>* made,
                 const char** failedCall);
// Commits all of the kind and faults it in, in steps. The storage is kept from then on. `whileHeld`: -ECANCELED also
// when all that held it have let go.
int prefaultKind(Kind& kind, bool whileHeld, JobControl& control, const char** failedCall);

}  // namespace daxkind
