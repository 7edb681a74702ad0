// FS_IOC_FSSETXATTR for a whole tree of files. Names are bytes here, whatever they mean in an encoding.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "syscalls/tree_walk.h"

namespace daxkind::syscalls {

struct TreeControl : WalkControl {
    // Files and directories that did not have the flags as wanted, and have now.
    std::atomic<double> changed{0};
    std::atomic<double> failed{0};
};

// A file or directory that could not be changed, and what is known of it that may be the cause.
struct TreeFailure : WalkFailure {
    // FS_..._FL bits; 0 where they cannot be read.
    uint32_t inodeFlags;
    uint32_t owner;
    // STATX_ATTR_ bits.
    uint64_t attributes;
};

// Sets and clears flags, as changeFsxattrFlags does, of a file or directory, and if `recursive`, of all files and
// directories below it: a directory before its entries, so that what is made in it meanwhile inherits.
//
// Follows no symbolic link, opens nothing but files and directories, and stays on the mount of the top. What vanishes
// during the walk is no failure. Holds a bounded number of descriptors, however deep the tree is.
class FsxattrTreeChange {
  public:
    FsxattrTreeChange(std::string top, uint32_t set, uint32_t clear, bool recursive);
    ~FsxattrTreeChange();

    // Apart from this, because JavaScript holds it for as long as it likes, and the descriptors are to be closed at
    // once.
    const std::shared_ptr<TreeControl> control = std::make_shared<TreeControl>();
    // What could not be changed, so far.
    std::vector<TreeFailure> failures;

    // Goes on for some hundred files. 1 if there is more to do, 0 when all is done, even if some could not be changed.
    // A negative errno, with the call in `*failedCall`, if the top cannot be opened, or if it fails for a reason that
    // holds for its whole file system (-ENOTTY, -EROFS…). No more steps are made then.
    int step(const char** failedCall);

  private:
    class Walk;
    const std::unique_ptr<Walk> walk_;
};

}  // namespace daxkind::syscalls
