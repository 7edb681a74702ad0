// FS_IOC_FSSETXATTR for a whole tree of files. Names are bytes here, whatever they mean in an encoding.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace daxkind::syscalls {

/// What the walk and a watcher on another thread tell each other. Aligned doubles are read and written whole on all our
/// architectures, and JavaScript sees the struct as a Float64Array.
struct TreeControl {
    /// Set to anything but 0 to end the walk soon.
    volatile double isAborted = 0;
    volatile double files = 0;
    volatile double directories = 0;
    /// Of those, the ones that did not have the flags as wanted, and have now.
    volatile double changed = 0;
    volatile double failed = 0;
};

/// A file or directory that could not be changed, and what is known of it that may be the cause.
struct TreeFailure {
    /// From the top on; empty for the top itself.
    std::string path;
    /// Negative errno, and the call that gave it.
    int error;
    const char* call;
    /// FS_..._FL bits; 0 where they cannot be read.
    std::uint32_t inodeFlags;
    std::uint32_t owner;
    /// STATX_ATTR_ bits.
    std::uint64_t attributes;
};

/// Sets and clears flags, as changeFsxattrFlags does, of a file or directory, and if `recursive`, of all files and
/// directories below it: a directory before its entries, so that what is made in it meanwhile inherits.
///
/// Follows no symbolic link, opens nothing but files and directories, and stays on the mount of the top. What vanishes
/// during the walk is no failure. Holds a bounded number of descriptors, however deep the tree is.
///
/// Gives 0 even if some could not be changed; those are in `failures`. Gives a negative errno, with the call in
/// `*failedCall`, if the top cannot be opened, if it fails for a reason that holds for its whole file system (-ENOTTY,
/// -EROFS…), and -ECANCELED when aborted; what was changed by then stays so.
int changeFsxattrTree(const char* top, std::uint32_t set, std::uint32_t clear, bool recursive, TreeControl& control,
                      std::vector<TreeFailure>* failures, const char** failedCall);

}  // namespace daxkind::syscalls
