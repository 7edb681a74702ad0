// Which files of a tree are on bad blocks: a walk that asks each file for its extents (FS_IOC_FIEMAP). There is no
// other way that works on every file system: FS_IOC_GETFSMAP names no file on ext4, nor on XFS as mkfs makes it.
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
    // Files and directories on bad blocks.
    std::atomic<double> found{0};
};

// A file or directory on bad blocks.
struct ScanHit {
    // From the top on, as bytes; empty for the top itself.
    std::string path;
    bool isDirectory;
    uint64_t inode;
    uint32_t links;
    // Bytes.
    uint64_t size;
    std::vector<Placed> parts;
};

// Follows no symbolic link but one at the top, and stays on the top's mount. A file with several names is told once, by
// the first that is come by.
class TreeScan final : private syscalls::TreeVisitor {
  public:
    // `bad` is in bytes of the device that the file system is on, and normalized; `unit` is the file system's block.
    TreeScan(std::string top, std::vector<Range> bad, uint64_t unit);

    // Apart from this, because JavaScript holds it for as long as it likes, and the descriptors are to be closed at
    // once.
    const std::shared_ptr<ScanControl> control = std::make_shared<ScanControl>();
    std::vector<ScanHit> hits;
    // What could not be looked at.
    std::vector<syscalls::WalkFailure> failures;
    // Whether there are files of which the file system does not tell where they are; and files on XFS's realtime
    // device, which is another one.
    bool isSilent = false;
    bool hasRealtime = false;

    // As syscalls::TreeWalk.
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
