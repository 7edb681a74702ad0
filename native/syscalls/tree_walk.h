// A walk through a tree of files, in steps. Names are bytes here, whatever they mean in an encoding.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

namespace daxkind::syscalls {

struct FileStatus;

// What a walk and a watcher on another thread tell each other; JavaScript sees the struct as a Float64Array.
struct WalkControl {
    // Not looked at by the walk; whoever makes its steps ends it.
    std::atomic<double> isAborted{0};
    std::atomic<double> files{0};
    std::atomic<double> directories{0};

    // Only the thread that makes the steps counts.
    static void count(std::atomic<double>& what) {
        what.store(what.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    }
};

// Something below the top that a walk could not deal with.
struct WalkFailure {
    // From the top on; empty for the top itself.
    std::string path;
    // Negative errno, and the call that gave it.
    int error;
    const char* call;
};

// What a walk finds. Paths are from the top on.
class TreeVisitor {
  public:
    virtual ~TreeVisitor() = default;
    // The top itself, open for reading. A negative errno, with the call in `*failedCall`, ends the walk.
    virtual int visitTop(int fd, const FileStatus& status, const char** failedCall) = 0;
    // A regular file or a directory below the top, open for reading; a directory comes before its entries.
    virtual void visit(const std::string& path, int fd, const FileStatus& status) = 0;
    // Something below the top that cannot be opened or read: a negative errno, and the call that gave it.
    virtual void fail(const std::string& path, int error, const char* call) = 0;
};

// Goes through a file or directory, and if `recursive`, through all files and directories below it.
//
// Follows no symbolic link but, with `followsTop`, one at the top; opens nothing but files and directories, and stays
// on the mount of the top. What vanishes during the walk is no failure. Holds a bounded number of descriptors, however
// deep the tree is.
class TreeWalk {
  public:
    // The visitor must outlive the walk.
    TreeWalk(TreeVisitor& visitor, std::string top, bool recursive, bool followsTop);
    ~TreeWalk();

    // Goes on for some hundred files. 1 if there is more to do, 0 when all is done. A negative errno, with the call in
    // `*failedCall`, if the top cannot be opened, or by visitTop. No more steps are made then.
    int step(const char** failedCall);

  private:
    class State;
    const std::unique_ptr<State> state_;
};

}  // namespace daxkind::syscalls
