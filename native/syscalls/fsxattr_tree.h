// FS_IOC_FSSETXATTR for a whole tree of files. Names are bytes, whatever they mean in an encoding.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "syscalls/tree_walk.h"

namespace daxkind::syscalls {

struct TreeControl : WalkControl {
    // How many files and directories lacked the wanted flags before and have them now.
    std::atomic<double> changed{0};
    std::atomic<double> failed{0};
};

// A file or directory that could not be changed, and what is known of it that may be the cause.
struct TreeFailure : WalkFailure {
    // FS_..._FL bits; 0 if they cannot be read.
    uint32_t inodeFlags;
    uint32_t owner;
    // STATX_ATTR_ bits.
    uint64_t attributes;
};

// Sets and clears flags of a file or directory, as changeFsxattrFlags does, and if `recursive`, of all files and
// directories below it. A directory comes before its entries, so that a file that somebody makes in it meanwhile
// inherits the flags.
//
// It follows no symbolic link, opens only files and directories, and stays on the mount of the top. A file that
// vanishes during the walk is not a failure. It holds a bounded number of descriptors, however deep the tree is.
class FsxattrTreeChange {
  public:
    FsxattrTreeChange(std::string top, uint32_t set, uint32_t clear, bool recursive);
    ~FsxattrTreeChange();

    // A separate object, because JavaScript keeps it for as long as it likes, while the descriptors are to be closed at
    // once.
    const std::shared_ptr<TreeControl> control = std::make_shared<TreeControl>();
    // What could not be changed so far.
    std::vector<TreeFailure> failures;

    // Goes on for some hundred files. 1 if there is more to do, 0 when all is done, even if some files could not be
    // changed. A negative errno, with the call in `*failedCall`, if the top cannot be opened, or if it fails for a
    // reason that holds for its whole file system (-ENOTTY, -EROFS…). No more steps may be made then.
    int step(const char** failedCall);

  private:
    class Walk;
    const std::unique_ptr<Walk> walk_;
};

}  // namespace daxkind::syscalls
