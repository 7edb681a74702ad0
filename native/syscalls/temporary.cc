// Nameless files: see temporary.h.
#include "syscalls/temporary.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>

namespace daxkind::syscalls {

namespace {

constexpr mode_t kOwnerOnly = 0600;

// Whether nameless files are what is missing. A file system without tmpfile support answers EOPNOTSUPP. A kernel before
// 3.11 does not know the flag, sees its O_DIRECTORY part and answers EISDIR. A sandbox that does not know the flag
// answers EPERM, ENOSYS or EINVAL. If the directory itself forbids it (EPERM of an immutable one), it forbids a file
// with a name, too. Every other error (ENOENT, ENOTDIR, EACCES, EROFS, ENOSPC…) is about the directory, and is
// returned.
bool lacksTemporaryFiles(int error) {
    return error == EOPNOTSUPP || error == EISDIR || error == EPERM || error == ENOSYS || error == EINVAL;
}

int createAndUnlink(const char* directory, int* fd, const char** failedCall) {
    std::string path;
    int opened;
    do {
        // A failed mkostemp has written over the X's.
        path = std::string(directory) + "/.daxkind-XXXXXX";
        // It opens with O_EXCL and mode 0600.
        opened = mkostemp(path.data(), O_CLOEXEC);
    } while (opened < 0 && errno == EINTR);
    if (opened < 0) {
        *failedCall = "open";
        return -errno;
    }
    if (unlink(path.c_str()) != 0) {
        const int error = errno;
        close(opened);
        *failedCall = "unlink";
        return -error;
    }
    *fd = opened;
    return 0;
}

}  // namespace

int openTemporary(const char* directory, bool mayHaveName, int* fd, const char** failedCall) {
    int opened;
    do opened = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, kOwnerOnly);
    while (opened < 0 && errno == EINTR);
    if (opened >= 0) {
        *fd = opened;
        return 0;
    }
    if (mayHaveName && lacksTemporaryFiles(errno)) return createAndUnlink(directory, fd, failedCall);
    *failedCall = "open";
    return -errno;
}

}  // namespace daxkind::syscalls
