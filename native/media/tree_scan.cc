#include "media/tree_scan.h"

#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "syscalls/fiemap.h"
#include "syscalls/fsxattr.h"
#include "syscalls/kernel.h"
#include "syscalls/statx.h"

namespace daxkind::media {

namespace {

bool isRealtime(int fd) {
    syscalls::Fsxattr attributes;
    return syscalls::getFsxattr(fd, &attributes) == 0 && (attributes.flags & FS_XFLAG_REALTIME) != 0;
}

}  // namespace

TreeScan::TreeScan(std::string top, std::vector<Range> bad, uint64_t unit)
    : bad_(std::move(bad)), unit_(unit), walk_(*this, std::move(top), true, true) {}

int TreeScan::visitTop(int fd, const syscalls::FileStatus& status, const char**) {
    visit("", fd, status);
    return 0;
}

void TreeScan::visit(const std::string& path, int fd, const syscalls::FileStatus& status) {
    const bool isDirectory = S_ISDIR(status.mode);
    ScanControl::count(isDirectory ? control->directories : control->files);
    if (bad_.empty()) return;
    std::vector<syscalls::Extent> extents;
    if (const int error = syscalls::readAllExtents(fd, 0, UINT64_MAX, &extents); error != 0) {
        const bool isSilence = error == -EOPNOTSUPP || error == -ENOTTY;
        // Few file systems give the extents of directories, and a directory is no loss of data.
        if (isSilence) isSilent = isSilent || !isDirectory;
        if (!isSilence) fail(path, error, "ioctl");
        return;
    }
    std::vector<Placed> parts = placedIn(bad_, extents, unit_);
    if (parts.empty()) return;
    if (isRealtime(fd)) {
        hasRealtime = true;
        return;
    }
    if (status.links > 1 && !isDirectory && !seen_.insert(status.inode).second) return;
    hits.push_back({path, isDirectory, status.inode, status.links, status.size, std::move(parts)});
    ScanControl::count(control->found);
}

void TreeScan::fail(const std::string& path, int error, const char* call) {
    failures.push_back({path, error, call});
}

}  // namespace daxkind::media
