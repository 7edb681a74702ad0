// The last resort for a file on a medium that cannot be cleared. The file's good pages are copied to a new file, which
// takes its name. The file itself is kept under another name, so that nobody gets its bad blocks. Nothing is punched,
// truncated or deleted, because the next owner of a bad block would learn of it by an error of the whole file system.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "jobs/control.h"
#include "media/bad_blocks.h"
#include "media/descriptor.h"
#include "media/page_repair.h"
#include "syscalls/statx.h"

namespace daxkind::media {

struct QuarantineRequest {
    // The path of the file, which must not be a symbolic link.
    std::string path;
    // The name that the file gets, in the same directory. Nothing may have that name now.
    std::string keptAs;
    // The file system's block size.
    uint64_t unit;
    // A file with the same bytes at the same offsets. Empty if there is none.
    std::string backup;
    // Whether to write zeros for what cannot be read, where there is no backup.
    bool zeros;
    // Where sysfs is.
    std::string sys;
};

class Quarantine {
  public:
    explicit Quarantine(QuarantineRequest request);
    // Removes a copy that is not finished.
    ~Quarantine();

    // A separate object, because JavaScript keeps it for as long as it likes, while the descriptors are to be closed at
    // once.
    const std::shared_ptr<JobControl> control = std::make_shared<JobControl>();
    // The pages that could not be read, and what the new file has in their place.
    std::vector<PageResult> results;

    // Does some milliseconds of the work. Gives kMore, 0 when all is done, or -errno with the call. -ESTALE: somebody
    // changed the file in the meantime. -EREMOTEIO: the blocks that the file system gave to the copy are bad, too.
    int step(const char** failedCall);

  private:
    int begin(const char** failedCall);
    int copyProperties(const char** failedCall);
    int allocate(const char** failedCall);
    int copy(uint64_t from, uint64_t length, const char** failedCall);
    int copyUnit(uint64_t from, uint64_t length, const char** failedCall);
    int finish(const char** failedCall);
    bool isAsBefore() const;

    const QuarantineRequest request_;
    bool hasBegun_ = false;
    bool isMade_ = false;
    bool isDone_ = false;
    Descriptor fd_;
    Descriptor copy_;
    Descriptor backup_;
    syscalls::FileStatus status_ = {};
    AlignedBytes bytes_;
    // The ranges in which the file has data.
    std::vector<Range> data_;
    size_t part_ = 0;
    uint64_t at_ = 0;
};

}  // namespace daxkind::media
