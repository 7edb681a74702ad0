// A walk through a tree of files, in steps. Names are bytes, whatever they mean in an encoding.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

namespace daxkind::syscalls {

struct FileStatus;

// What a walk and a watcher on another thread tell each other. JavaScript sees the struct as a Float64Array.
struct WalkControl {
    // The walk itself does not look at it. Whoever makes the steps ends the walk.
    std::atomic<double> isAborted{0};
    std::atomic<double> files{0};
    std::atomic<double> directories{0};

    // Only the thread that makes the steps may count.
    static void count(std::atomic<double>& what) {
        what.store(what.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    }
};

// Something below the top that a walk could not deal with.
struct WalkFailure {
    // The path below the top. Empty for the top itself.
    std::string path;
    // The negative errno, and the call that gave it.
    int error;
    const char* call;
};

// Receives what a walk finds. Paths are relative to the top.
class TreeVisitor {
  public:
    virtual ~TreeVisitor() = default;
    // The top itself, open for reading. A negative errno, with the call in `*failedCall`, ends the walk.
    virtual int visitTop(int fd, const FileStatus& status, const char** failedCall) = 0;
    // A regular file or a directory below the top, open for reading. A directory comes before its entries.
    virtual void visit(const std::string& path, int fd, const FileStatus& status) = 0;
    // Something below the top that cannot be opened or read: a negative errno, and the call that gave it.
    virtual void fail(const std::string& path, int error, const char* call) = 0;
};

// Goes through a file or directory, and if `recursive`, through all files and directories below it.
//
// It follows no symbolic link, except one at the top with `followsTop`. It opens only files and directories, and stays
// on the mount of the top. A file that vanishes during the walk is not a failure. It holds a bounded number of
// descriptors, however deep the tree is.
class TreeWalk {
  public:
    // The visitor must outlive the walk.
    TreeWalk(TreeVisitor& visitor, std::string top, bool recursive, bool followsTop);
    ~TreeWalk();

    // Goes on for some hundred files. 1 if there is more to do, 0 when all is done. A negative errno, with the call in
    // `*failedCall`, if the top cannot be opened or visitTop fails. No more steps may be made then.
    int step(const char** failedCall);

  private:
    class State;
    const std::unique_ptr<State> state_;
};

}  // namespace daxkind::syscalls
