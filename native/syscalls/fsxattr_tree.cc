// FS_IOC_FSSETXATTR for a whole tree of files: see fsxattr_tree.h.
#include "syscalls/fsxattr_tree.h"

#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "syscalls/fsxattr.h"
#include "syscalls/inode_flags.h"
#include "syscalls/kernel.h"
#include "syscalls/statx.h"
#include "syscalls/tree_walk.h"

namespace daxkind::syscalls {

namespace {

// Whether a failure at the top says nothing about the files below it.
bool isAboutOneFile(const TreeFailure& failure) {
    constexpr uint32_t kExcluding = FS_ENCRYPT_FL | FS_JOURNAL_DATA_FL | FS_VERITY_FL | FS_INLINE_DATA_FL;
    return failure.error == -EPERM || (failure.error == -EOPNOTSUPP && (failure.inodeFlags & kExcluding) != 0);
}

}  // namespace

class FsxattrTreeChange::Walk final : private TreeVisitor {
  public:
    Walk(FsxattrTreeChange& all, std::string top, uint32_t set, uint32_t clear, bool recursive)
        : set_(set),
          clear_(clear),
          recursive_(recursive),
          control_(*all.control),
          failures_(all.failures),
          walk_(*this, std::move(top), recursive, false) {}

    int step(const char** failedCall) { return walk_.step(failedCall); }

  private:
    int visitTop(int fd, const FileStatus& status, const char** failedCall) override {
        *failedCall = "ioctl";
        const int error = change("", fd, status);
        const bool enters = recursive_ && S_ISDIR(status.mode);
        return error != 0 && enters && isAboutOneFile(failures_.back()) ? 0 : error;
    }
    void visit(const std::string& path, int fd, const FileStatus& status) override { change(path, fd, status); }
    void fail(const std::string& path, int error, const char* call) override {
        failures_.push_back({{path, error, call}, 0, 0, 0});
        TreeControl::count(control_.failed);
    }
    int change(const std::string& path, int fd, const FileStatus& status);

    const uint32_t set_;
    const uint32_t clear_;
    const bool recursive_;
    TreeControl& control_;
    std::vector<TreeFailure>& failures_;
    TreeWalk walk_;
};

int FsxattrTreeChange::Walk::change(const std::string& path, int fd, const FileStatus& status) {
    TreeControl::count(S_ISDIR(status.mode) ? control_.directories : control_.files);
    bool changed = false;
    const int result = changeFsxattrFlags(fd, set_, clear_, nullptr, &changed);
    if (changed) TreeControl::count(control_.changed);
    if (result == 0) return 0;
    fail(path, result, "ioctl");
    TreeFailure& failure = failures_.back();
    getInodeFlags(fd, &failure.inodeFlags);
    failure.owner = status.uid;
    failure.attributes = status.attributes;
    return result;
}

FsxattrTreeChange::FsxattrTreeChange(std::string top, uint32_t set, uint32_t clear, bool recursive)
    : walk_(std::make_unique<Walk>(*this, std::move(top), set, clear, recursive)) {}

FsxattrTreeChange::~FsxattrTreeChange() = default;

int FsxattrTreeChange::step(const char** failedCall) {
    return walk_->step(failedCall);
}

}  // namespace daxkind::syscalls
