// A walk through a tree of files: see tree_walk.h.
//
// The files of a directory are visited while it is read, and its subdirectories are kept for later. So a directory that
// is not being read needs its descriptor only to open the next subdirectory, and the walk can close the descriptors of
// all but the deepest directories. On the way back up, it opens a directory again by "..". If the directory below was
// moved elsewhere, it goes by the names from the top. In both cases device and inode must be the same as before.
#include "syscalls/tree_walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "syscalls/descriptor.h"
#include "syscalls/fsxattr.h"
#include "syscalls/sizes.h"
#include "syscalls/statx.h"

namespace daxkind::syscalls {

namespace {

// How many directories have an open descriptor at once, besides the top.
constexpr size_t kMostOpen = 32;
// What one getdents64 brings: some hundred names, few enough for one step.
constexpr size_t kEntriesSize = 16 * kKiB;

// linux_dirent64, which no header declares. The name follows it.
struct EntryHead {
    uint64_t inode;
    int64_t offset;
    uint16_t length;
    uint8_t type;
};
constexpr size_t kEntryName = offsetof(EntryHead, type) + 1;

// Never blocks on a FIFO that has taken a file's place, and follows no link.
int openEntry(int directory, const char* name, int flags = 0) {
    int fd;
    do fd = openat(directory, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC | flags);
    while (fd < 0 && errno == EINTR);
    return fd;
}

struct Identity {
    uint32_t deviceMajor = 0;
    uint32_t deviceMinor = 0;
    uint64_t inode = 0;

    explicit Identity(const FileStatus& status)
        : deviceMajor(status.deviceMajor), deviceMinor(status.deviceMinor), inode(status.inode) {}
    bool operator==(const Identity& other) const {
        return deviceMajor == other.deviceMajor && deviceMinor == other.deviceMinor && inode == other.inode;
    }
};

// A directory on the way from the top to the directory that the walk is in.
struct Level {
    Descriptor fd;
    Identity identity;
    // Where the path of the walk ends when the walk is in this directory.
    size_t pathLength;
    // Whether it may have entries that were not read yet. While it has, the walk enters nothing below it.
    bool isReading;
    // The subdirectories that were not entered yet, the next one last.
    std::vector<std::string> pending;
};

}  // namespace

class TreeWalk::State {
  public:
    State(TreeVisitor& visitor, std::string top, bool recursive, bool followsTop)
        : visitor_(visitor), top_(std::move(top)), recursive_(recursive), followsTop_(followsTop) {}

    int step(const char** failedCall);

  private:
    int begin(const char** failedCall);
    bool isOnMount(const FileStatus& status) const;
    void fail(int error, const char* call) { visitor_.fail(path_, error, call); }
    void visit(const char* name, bool isReading);
    void enter(Descriptor fd, const FileStatus& status);
    void read();
    void readEntry(const char* name, unsigned char type);
    void leave();
    int reopenByNames(Level& level);

    TreeVisitor& visitor_;
    const std::string top_;
    const bool recursive_;
    const bool followsTop_;
    bool hasBegun_ = false;
    FileStatus topStatus_ = {};
    // The path of the deepest level, or of the entry that is being visited in it. Relative to the top.
    std::string path_;
    // All levels from the top, whose descriptor is always open, to the deepest.
    std::vector<Level> levels_;
    // The levels from this one on are open. Those between the top and this one are closed.
    size_t firstOpen_ = 1;
    alignas(EntryHead) unsigned char entries_[kEntriesSize];
};

bool TreeWalk::State::isOnMount(const FileStatus& status) const {
    if (topStatus_.mountId != 0) return status.mountId == topStatus_.mountId;
    return status.deviceMajor == topStatus_.deviceMajor && status.deviceMinor == topStatus_.deviceMinor;
}

// Opens an entry of the deepest level and visits it; enters it if it is a directory. While the level is being read, the
// entering has to wait, because an entry that was a file a moment ago can be a directory now.
void TreeWalk::State::visit(const char* name, bool isReading) {
    const size_t length = path_.size();
    if (length != 0) path_ += '/';
    path_ += name;
    Descriptor fd(openEntry(levels_.back().fd.get(), name));
    FileStatus status;
    if (!fd.isOpen()) {
        // An entry that is gone, or has become a symbolic link, a socket or a device, does not concern the walk.
        if (errno != ENOENT && errno != ELOOP && errno != ENXIO && errno != ENODEV) fail(-errno, "open");
    } else if (const int error = statxDescriptor(fd.get(), &status); error != 0) {
        fail(error, "statx");
    } else if (isOnMount(status)) {
        if (S_ISREG(status.mode)) visitor_.visit(path_, fd.get(), status);
        if (S_ISDIR(status.mode)) {
            if (!isReading) return enter(std::move(fd), status);
            levels_.back().pending.emplace_back(name);
        }
    }
    path_.resize(length);
}

// Makes a directory the deepest level, at `path_`, and visits it. Its entries come next.
void TreeWalk::State::enter(Descriptor fd, const FileStatus& status) {
    visitor_.visit(path_, fd.get(), status);
    levels_.push_back({std::move(fd), Identity(status), path_.size(), true, {}});
    if (levels_.size() > firstOpen_ + kMostOpen) levels_[firstOpen_++].fd.reset();
}

// Reads the next entries of the deepest level. Visits the files, and keeps the names of the subdirectories.
void TreeWalk::State::read() {
    const long length = syscall(SYS_getdents64, levels_.back().fd.get(), entries_, sizeof entries_);
    if (length < 0) fail(-errno, "getdents64");
    if (length <= 0) levels_.back().isReading = false;
    for (long at = 0; at < length;) {
        EntryHead head;
        std::memcpy(&head, entries_ + at, sizeof head);
        readEntry(reinterpret_cast<const char*>(entries_ + at + kEntryName), head.type);
        at += head.length;
    }
}

void TreeWalk::State::readEntry(const char* name, unsigned char type) {
    if (std::strcmp(name, ".") == 0 || std::strcmp(name, "..") == 0) return;
    if (type == DT_UNKNOWN) {
        struct stat status;
        if (fstatat(levels_.back().fd.get(), name, &status, AT_SYMLINK_NOFOLLOW) != 0) return;
        type = static_cast<unsigned char>(IFTODT(status.st_mode));
    }
    if (type == DT_DIR) levels_.back().pending.emplace_back(name);
    // Nothing else is opened, because opening a device can do things.
    if (type == DT_REG) visit(name, true);
}

// Goes back up one level, and opens that level again if it was closed.
void TreeWalk::State::leave() {
    const Level left = std::move(levels_.back());
    levels_.pop_back();
    if (levels_.empty()) return;
    Level& level = levels_.back();
    path_.resize(level.pathLength);
    if (levels_.size() > firstOpen_) return;
    if (levels_.size() == 1) return;
    firstOpen_ = levels_.size() - 1;
    Descriptor parent(left.fd.isOpen() ? openEntry(left.fd.get(), "..", O_DIRECTORY) : -1);
    FileStatus status;
    if (parent.isOpen() && statxDescriptor(parent.get(), &status) == 0 && Identity(status) == level.identity) {
        level.fd = std::move(parent);
    } else if (const int error = reopenByNames(level); error != 0 && !level.pending.empty()) {
        fail(error, "open");
        level.pending.clear();
    }
}

// Opens the deepest level by the names that led to it. -ENOENT if they lead elsewhere now.
int TreeWalk::State::reopenByNames(Level& level) {
    Descriptor fd;
    for (size_t depth = 1; depth < levels_.size(); ++depth) {
        const size_t above = levels_[depth - 1].pathLength;
        const size_t start = above == 0 ? 0 : above + 1;
        const std::string name = path_.substr(start, levels_[depth].pathLength - start);
        const int from = depth == 1 ? levels_.front().fd.get() : fd.get();
        Descriptor next(openEntry(from, name.c_str(), O_DIRECTORY));
        if (!next.isOpen()) return -errno;
        FileStatus status;
        if (const int error = statxDescriptor(next.get(), &status); error != 0) return error;
        if (!(Identity(status) == levels_[depth].identity)) return -ENOENT;
        fd = std::move(next);
    }
    level.fd = std::move(fd);
    return 0;
}

int TreeWalk::State::begin(const char** failedCall) {
    hasBegun_ = true;
    int opened = -1;
    if (const int error = openForFsxattr(top_.c_str(), followsTop_, &opened, failedCall); error != 0) return error;
    Descriptor fd(opened);
    *failedCall = "statx";
    if (const int error = statxDescriptor(fd.get(), &topStatus_); error != 0) return error;
    if (const int error = visitor_.visitTop(fd.get(), topStatus_, failedCall); error != 0) return error;
    if (recursive_ && S_ISDIR(topStatus_.mode)) {
        levels_.push_back({std::move(fd), Identity(topStatus_), 0, true, {}});
    }
    return 0;
}

int TreeWalk::State::step(const char** failedCall) {
    if (!hasBegun_) {
        if (const int error = begin(failedCall); error != 0) return error;
    } else if (levels_.back().isReading) {
        read();
    } else if (levels_.back().pending.empty()) {
        leave();
    } else {
        const std::string name = std::move(levels_.back().pending.back());
        levels_.back().pending.pop_back();
        visit(name.c_str(), false);
    }
    return levels_.empty() ? 0 : 1;
}

TreeWalk::TreeWalk(TreeVisitor& visitor, std::string top, bool recursive, bool followsTop)
    : state_(std::make_unique<State>(visitor, std::move(top), recursive, followsTop)) {}

TreeWalk::~TreeWalk() = default;

int TreeWalk::step(const char** failedCall) {
    return state_->step(failedCall);
}

}  // namespace daxkind::syscalls
