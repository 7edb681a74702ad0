// What remains to be done for a file on a medium that cannot be cleared: its good pages are copied to a new file, which
// takes its name, and the file itself is kept under another one, so that nobody gets its bad blocks. Nothing is
// punched, truncated or deleted: the next owner of a bad block would be told of it by an error of the whole file
// system.
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
    // Of the file, without a link at its end.
    std::string path;
    // The name that it has afterwards, in the same directory. Nothing has it now.
    std::string keptAs;
    // The file system's block.
    uint64_t unit;
    // A file with the same bytes at the same offsets; empty: none.
    std::string backup;
    // Zeros in place of what cannot be read, where there is no backup.
    bool zeros;
    // Where sysfs is.
    std::string sys;
};

class Quarantine {
  public:
    explicit Quarantine(QuarantineRequest request);
    // A copy that was not finished goes.
    ~Quarantine();

    // Apart from this, because JavaScript holds it for as long as it likes, and the descriptors are to be closed at
    // once.
    const std::shared_ptr<JobControl> control = std::make_shared<JobControl>();
    // Pages that could not be read, and what the new file has there.
    std::vector<PageResult> results;

    // Some milliseconds of it: kMore, 0, or -errno with the call. -ESTALE: the file was changed meanwhile; -EREMOTEIO:
    // what the file system gave the copy has bad blocks in it.
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
    // What the file has data in.
    std::vector<Range> data_;
    size_t part_ = 0;
    uint64_t at_ = 0;
};

}  // namespace daxkind::media
