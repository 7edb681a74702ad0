// Creating and prefaulting a kind. The thread that wants the kind does that, or a job. A kind that has been made is not
// registered yet: see registry.h.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "jobs/control.h"
#include "jobs/pace.h"
#include "kind/kind.h"
#include "region/fixed.h"
#include "region/numa_nodes.h"
#include "syscalls/sizes.h"

namespace daxkind {

struct PmemKindRequest {
    std::string directory;
    uint64_t maxSize = 0;  // Bytes, a multiple of kChunkSize. 0: the size of the file system, or the quota.
    bool conservative = false;
    uint32_t decayMs = HeapOptions{}.decayMs;
    bool sync = false;
    bool prefault = false;
    bool debug = false;
};

// Makes a kind, without faulting it in. 0, or -errno with the system call that failed: then nothing is left behind.
int makePmemKind(const PmemKindRequest& request, std::shared_ptr<Kind>* made, const char** failedCall);

struct FixedKindRequest {
    // Where the bytes of the file are mapped.
    char* base = nullptr;
    FileRange file;
    // The watch of the mapping, and what tells why a part was lost.
    guard::Watch* watch = nullptr;
    std::function<LossCause(const guard::Part&)> causeOf;
    std::vector<guard::Part> knownBad;
    // Counts the kinds over the mapping, and keeps the mapping.
    std::shared_ptr<std::atomic<int>> users;
    std::string path;
    bool debug = false;
};

// Makes a kind in a mapping. 0, or -errno with the system call that failed. -EBUSY, with an empty name of a call, if an
// open kind has some of these bytes of the file.
int makeFixedKind(FixedKindRequest request, std::shared_ptr<Kind>* made, const char** failedCall);

struct DeviceKindRequest {
    std::string path;
    // Bytes, multiples of `align`, the device's alignment.
    uint64_t offset = 0;
    uint64_t size = 0;
    uint64_t align = 0;
    bool scrub = false;
    bool prefault = false;
    bool debug = false;
};

// Makes a kind in a device-DAX device, without clearing or faulting it in. As makePmemKind.
int makeDeviceKind(const DeviceKindRequest& request, std::shared_ptr<Kind>* made, const char** failedCall);

struct NodeKindRequest {
    NumaNodesOptions nodes;
    std::string path;  // The name of the kind in messages.
    bool prefault = false;
    bool debug = false;
};

// Makes a kind on NUMA nodes, without committing anything. As makePmemKind.
int makeNodeKind(const NodeKindRequest& request, std::shared_ptr<Kind>* made, const char** failedCall);

// Overwrites all memory of a kind with zeros. Nobody else may have the kind yet.
class Scrub {
  public:
    explicit Scrub(std::shared_ptr<Kind> kind) : kind_(std::move(kind)) {}

    // A step of some milliseconds: kMore, 0 when all is done, or -errno with the system call that failed.
    int step(JobControl& control, const char** failedCall);

  private:
    const std::shared_ptr<Kind> kind_;
    uint64_t offset_ = 0;
    // A step may take longer on a device with an alignment of 1 GiB, because it cannot do less than one fault.
    Pace pace_{kHugePageSize, 64 * kMiB};
};

// Commits all memory of a kind and faults it in. From then on the storage stays until a purge.
class Prefault {
  public:
    explicit Prefault(std::shared_ptr<Kind> kind) : kind_(std::move(kind)) {}

    // A step of some milliseconds: kMore, 0 when all is done, or -errno with the system call that failed.
    int step(JobControl& control, const char** failedCall);

  private:
    const std::shared_ptr<Kind> kind_;
    uint64_t offset_ = 0;
    // From a huge page to 8 MiB: these take 5 ms if a page of 4 KiB takes 2.5 us, as on slow media.
    Pace pace_{kHugePageSize, 8 * kMiB};
};

// Makes a kind of any sort in steps. The thread that wants the kind does them, or a job.
class Making {
  public:
    virtual ~Making() = default;
    // kMore; 0 when the kind is made; or -errno with the system call that failed.
    int step(JobControl& control, const char** failedCall);
    const std::shared_ptr<Kind>& kind() const { return kind_; }
    // The path that an error names.
    virtual const std::string& path() const = 0;

  protected:
    explicit Making(bool scrubs, bool prefaults) : scrubs_(scrubs), prefaults_(prefaults) {}
    virtual int make(std::shared_ptr<Kind>* made, const char** failedCall) = 0;

  private:
    const bool scrubs_;
    const bool prefaults_;
    std::shared_ptr<Kind> kind_;
    std::optional<Scrub> scrub_;
    std::optional<Prefault> prefault_;
};

// The request says which sort of kind is made.
std::unique_ptr<Making> making(PmemKindRequest request);
std::unique_ptr<Making> making(DeviceKindRequest request);
std::unique_ptr<Making> making(NodeKindRequest request);

}  // namespace daxkind
