// Finds the files of a tree that are on bad blocks. It walks through the tree and asks each file for its extents
// (FS_IOC_FIEMAP). No other way works on every file system: FS_IOC_GETFSMAP names no file on ext4, nor on XFS as mkfs
// makes it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "media/ranges.h"
#include "syscalls/tree_walk.h"

namespace daxkind::media {

struct ScanControl : syscalls::WalkControl {
    // How many files and directories on bad blocks were found.
    std::atomic<double> found{0};
};

// A file or directory on bad blocks.
struct ScanHit {
    // The path below the top, as bytes. Empty for the top itself.
    std::string path;
    bool isDirectory;
    uint64_t inode;
    uint32_t links;
    // In bytes.
    uint64_t size;
    std::vector<Placed> parts;
};

// Follows no symbolic link, except one at the top, and stays on the top's mount. A file with several names is reported
// once, by the name that the walk meets first.
class TreeScan final : private syscalls::TreeVisitor {
  public:
    // `bad` is normalized, in bytes of the device that the file system is on. `unit` is the file system's block size.
    TreeScan(std::string top, std::vector<Range> bad, uint64_t unit);

    // A separate object, because JavaScript keeps it for as long as it likes, while the descriptors are to be closed at
    // once.
    const std::shared_ptr<ScanControl> control = std::make_shared<ScanControl>();
    std::vector<ScanHit> hits;
    // What could not be examined.
    std::vector<syscalls::WalkFailure> failures;
    // Whether there are files whose place the file system does not tell, and whether there are files on XFS's realtime
    // device, which is another device.
    bool isSilent = false;
    bool hasRealtime = false;

    // See syscalls::TreeWalk.
    int step(const char** failedCall) { return walk_.step(failedCall); }

  private:
    int visitTop(int fd, const syscalls::FileStatus& status, const char** failedCall) override;
    void visit(const std::string& path, int fd, const syscalls::FileStatus& status) override;
    void fail(const std::string& path, int error, const char* call) override;

    const std::vector<Range> bad_;
    const uint64_t unit_;
    // Inodes with several names that are among the hits.
    std::unordered_set<uint64_t> seen_;
    syscalls::TreeWalk walk_;
};

}  // namespace daxkind::media
