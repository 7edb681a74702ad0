// Repairs pages of a file, or of a block device, that are on bad blocks: writes each anew as a whole, which is what
// clears a bad block where the medium can be cleared (DAX_RECOVERY_WRITE, since Linux 5.19; a partial write never
// does). What can be read is never written, and nothing is punched or given up before the medium has shown that it can
// be cleared.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "jobs/control.h"
#include "media/bad_blocks.h"
#include "media/descriptor.h"

namespace daxkind::media {

enum class PageOutcome {
    // It can be read, or its block is not listed any more: left alone.
    kHealthy,
    // Written anew, and it reads as it was written.
    kRewritten,
    // The same of a page that nobody had written yet: it was zeros, and is.
    kUnwritten,
    // The medium does not take the write (EFAULT, EIO), or does not read back.
    kUncleared,
    // The write, or what it needs, failed otherwise.
    kFailed,
    // Behind the file's end: no data, left alone.
    kBeyondEnd,
    // There is neither a backup, nor leave to write zeros.
    kRefused,
};

// As JavaScript knows it (lib/native.ts, PageOutcome).
const char* nameOf(PageOutcome outcome);

// What was done with pages beside one another. Bytes.
struct PageResult {
    uint64_t from;
    uint64_t length;
    PageOutcome outcome;
    // Bytes that are zeros now, and were data that cannot be read any more.
    uint64_t lost;
    // Whether the pages are on other blocks than before.
    bool isMoved;
    // Of kUncleared and kFailed: a negative errno and the call.
    int error;
    const char* call;
};

struct PageRepairRequest {
    // Of the file, without a link at its end, or of the device node.
    std::string path;
    bool isDevice;
    // In bytes of it, whole multiples of `unit`.
    std::vector<Range> parts;
    // The file system's block, or a page of the device.
    uint64_t unit;
    // A file with the same bytes at the same offsets; empty: none.
    std::string backup;
    // Write zeros where there is no backup.
    bool zeros;
    // Then punch a hole and allocate blocks anew, so that the data move.
    bool reallocates;
    // Where sysfs is.
    std::string sys;
};

class PageRepair {
  public:
    explicit PageRepair(PageRepairRequest request);

    // Apart from this, because JavaScript holds it for as long as it likes, and the descriptors are to be closed at
    // once.
    const std::shared_ptr<JobControl> control = std::make_shared<JobControl>();
    std::vector<PageResult> results;

    // Some milliseconds of it: kMore, 0, or -errno of what keeps it from all pages, with the call.
    int step(const char** failedCall);

  private:
    int begin(const char** failedCall);
    PageResult repair(uint64_t from);
    bool readOrFill(uint64_t from, PageResult* result);
    bool write(uint64_t from, PageResult* result);
    bool reallocate(uint64_t from, PageResult* result);
    bool fill(unsigned char* to, uint64_t from, uint64_t length, PageResult* result);
    uint64_t placeOf(uint64_t from, uint32_t* flags) const;
    void note(const PageResult& result);

    const PageRepairRequest request_;
    bool hasBegun_ = false;
    bool isOnDax_ = false;
    Descriptor fd_;
    Descriptor backup_;
    BadBlocks device_;
    // Of the file; of a device, without bound.
    uint64_t size_ = 0;
    AlignedBytes content_;
    AlignedBytes check_;
    size_t part_ = 0;
    uint64_t at_ = 0;
};

}  // namespace daxkind::media
