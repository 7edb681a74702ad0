// Repairs the pages of a file or a block device that are on bad blocks. It writes each page as a whole, because that is
// what clears a bad block where the medium can be cleared (DAX_RECOVERY_WRITE, since Linux 5.19). A partial write never
// clears one. A page that can be read is never written. Nothing is punched or given up before the medium has shown that
// it can be cleared.
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
    // It can be read, or its block is not listed any more. It is left alone.
    kHealthy,
    // It was written, and reads as it was written.
    kRewritten,
    // The same for a page that nobody had written before: it was zeros, and still is.
    kUnwritten,
    // The medium does not take the write (EFAULT, EIO), or the page cannot be read back.
    kUncleared,
    // The write failed for another reason, or something that it needs failed.
    kFailed,
    // It is beyond the file's end and holds no data. It is left alone.
    kBeyondEnd,
    // There is no backup, and the caller did not allow zeros.
    kRefused,
};

// The outcome's name in JavaScript (lib/native.ts, PageOutcome).
const char* nameOf(PageOutcome outcome);

// What was done with consecutive pages. Offsets and lengths are bytes.
struct PageResult {
    uint64_t from;
    uint64_t length;
    PageOutcome outcome;
    // Bytes that are zeros now, and were data that cannot be read any more.
    uint64_t lost;
    // Whether the pages are on other blocks than before.
    bool isMoved;
    // For kUncleared and kFailed: a negative errno, and the call that gave it.
    int error;
    const char* call;
};

struct PageRepairRequest {
    // The path of the file, which must not be a symbolic link, or of the device node.
    std::string path;
    bool isDevice;
    // In bytes of the file or device. Each is a whole multiple of `unit`.
    std::vector<Range> parts;
    // The file system's block size, or a page of the device.
    uint64_t unit;
    // A file with the same bytes at the same offsets. Empty if there is none.
    std::string backup;
    // Whether to write zeros where there is no backup.
    bool zeros;
    // Whether to punch a hole and allocate blocks anew afterwards, so that the data move.
    bool reallocates;
    // Where sysfs is.
    std::string sys;
};

class PageRepair {
  public:
    explicit PageRepair(PageRepairRequest request);

    // A separate object, because JavaScript keeps it for as long as it likes, while the descriptors are to be closed at
    // once.
    const std::shared_ptr<JobControl> control = std::make_shared<JobControl>();
    std::vector<PageResult> results;

    // Does some milliseconds of the work. Gives kMore, 0 when all is done, or -errno if no page can be repaired, with
    // the call.
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
    // The file's size. For a device it is unlimited.
    uint64_t size_ = 0;
    AlignedBytes content_;
    AlignedBytes check_;
    size_t part_ = 0;
    uint64_t at_ = 0;
};

}  // namespace daxkind::media
