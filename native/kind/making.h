// What creating and prefaulting a kind consist of, made by the thread that wants it or by a job. A kind that has been
// made is nobody's yet: see registry.h.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "jobs/control.h"
#include "jobs/pace.h"
#include "kind/kind.h"
#include "region/fixed.h"

namespace daxkind {

struct PmemKindRequest {
    std::string directory;
    uint64_t maxSize = 0;  // Bytes, a multiple of kChunkSize; 0: the size of the file system.
    bool conservative = false;
    bool sync = false;
    bool prefault = false;
    bool debug = false;
};

// Makes a kind, without faulting it in. 0 or -errno with the system call that failed; nothing is left behind then.
int makePmemKind(const PmemKindRequest& request, std::shared_ptr<Kind>* made, const char** failedCall);

struct FixedKindRequest {
    // Where the bytes of the file are mapped, and what counts the kinds over the mapping and keeps it.
    char* base = nullptr;
    FileRange file;
    std::shared_ptr<std::atomic<int>> users;
    std::string path;
    bool debug = false;
};

// Makes a kind in a mapping. 0 or -errno with the system call that failed; -EBUSY, of no call, if an open kind has
// bytes of the file.
int makeFixedKind(FixedKindRequest request, std::shared_ptr<Kind>* made, const char** failedCall);

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
