// Nameless files and a file's blocks, on tmpfs or wherever the tests' directory is, and in the system's directory for
// temporary files.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "syscalls/allocation.h"
#include "syscalls/descriptor.h"
#include "syscalls/sizes.h"
#include "syscalls/temporary.h"
#include "tests.h"

namespace test {

using namespace daxkind;
using syscalls::Descriptor;

namespace {

class Directory {
  public:
    explicit Directory(const std::string& parent) : path(parent + "/daxkind-files-XXXXXX") {
        CHECK(mkdtemp(path.data()) != nullptr, "%s", parent.c_str());
    }
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;
    ~Directory() { std::filesystem::remove_all(path); }

    std::string path;
};

Descriptor nameless(const std::string& directory) {
    int fd = -1;
    const char* failedCall = nullptr;
    const int error = syscalls::openTemporary(directory.c_str(), true, &fd, &failedCall);
    CHECK(error == 0, "%s: %d", directory.c_str(), error);
    return Descriptor(fd);
}

struct stat statusOf(const Descriptor& file) {
    struct stat status;
    CHECK(fstat(file.get(), &status) == 0);
    return status;
}

uint64_t bytesInUse(const Descriptor& file) {
    return static_cast<uint64_t>(statusOf(file).st_blocks) * 512;
}

void checkNameless(const Directory& directory) {
    const Descriptor file = nameless(directory.path);
    const struct stat status = statusOf(file);
    CHECK(status.st_nlink == 0 && (status.st_mode & 07777) == 0600);
    CHECK((fcntl(file.get(), F_GETFD) & FD_CLOEXEC) != 0);
    CHECK((fcntl(file.get(), F_GETFL) & O_ACCMODE) == O_RDWR);
    const std::string self = "/proc/self/fd/" + std::to_string(file.get());
    const std::string name = directory.path + "/name";
    CHECK(linkat(AT_FDCWD, self.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) != 0);
    CHECK(std::filesystem::is_empty(directory.path));
}

int openingError(const std::string& directory) {
    int fd = -1;
    const char* failedCall = "";
    const int error = syscalls::openTemporary(directory.c_str(), true, &fd, &failedCall);
    CHECK(error != 0 && fd == -1 && failedCall == std::string("open"), "%d, %s", error, failedCall);
    return error;
}

void checkRefusals(const Directory& directory) {
    const std::string file = directory.path + "/file";
    close(open(file.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    CHECK(openingError(directory.path + "/missing") == -ENOENT);
    CHECK(openingError(file) == -ENOTDIR);
    // No file of ours can be there.
    openingError("/proc");
    // root may write everywhere. 65534 is "nobody" on every distribution.
    chmod(directory.path.c_str(), 0555);
    const uid_t user = geteuid();
    CHECK(user != 0 || seteuid(65534) == 0);
    const int error = openingError(directory.path);
    CHECK(user != 0 || seteuid(user) == 0);
    CHECK(error == -EACCES, "%d", error);
    chmod(directory.path.c_str(), 0700);
    CHECK(unlink(file.c_str()) == 0 && std::filesystem::is_empty(directory.path));
}

// fallocate gives blocks. Hole punching takes them back and zeroes the range.
void checkBlocks(const Directory& directory) {
    const Descriptor file = nameless(directory.path);
    CHECK(syscalls::truncate(file.get(), 8 * kMiB) == 0);
    CHECK(statusOf(file).st_size == 8 * kMiB && bytesInUse(file) == 0);
    CHECK(syscalls::allocate(file.get(), 0, 4 * kMiB, true) == 0);
    CHECK(bytesInUse(file) >= 4 * kMiB && statusOf(file).st_size == 8 * kMiB);

    std::vector<unsigned char> bytes(4 * kMiB, 0xab);
    CHECK(pwrite(file.get(), bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
    const uint64_t full = bytesInUse(file);
    CHECK(syscalls::punchHole(file.get(), kMiB, 2 * kMiB) == 0);
    CHECK(full - bytesInUse(file) >= 2 * kMiB - 64 * kKiB && statusOf(file).st_size == 8 * kMiB);
    CHECK(pread(file.get(), bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
    for (uint64_t at = 0; at < bytes.size(); at++) {
        CHECK(bytes[at] == (at >= kMiB && at < 3 * kMiB ? 0 : 0xab), "byte %llu", static_cast<unsigned long long>(at));
    }
}

void checkSizes(const Directory& directory) {
    const Descriptor file = nameless(directory.path);
    CHECK(syscalls::allocate(file.get(), 0, kMiB, true) == 0 && statusOf(file).st_size == 0);
    CHECK(syscalls::allocate(file.get(), 0, kMiB, false) == 0 && statusOf(file).st_size == kMiB);
    CHECK(syscalls::allocate(file.get(), 0, 0, false) == -EINVAL);
    // More than a file can have, and more than an offset can hold.
    CHECK(syscalls::allocate(file.get(), INT64_MAX, 4096, true) == -EFBIG);
    CHECK(syscalls::punchHole(file.get(), INT64_MAX, 4096) == -EFBIG);
    CHECK(syscalls::truncate(file.get(), UINT64_MAX) == -EFBIG);
    const Descriptor readOnly(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    CHECK(syscalls::allocate(readOnly.get(), 0, 4096, false) == -EBADF);
}

}  // namespace

void testFiles(const Options& options) {
    context() = "files";
    for (const std::string& parent : {options.directory, std::filesystem::temp_directory_path().string()}) {
        const Directory directory(parent);
        checkNameless(directory);
        checkRefusals(directory);
        checkBlocks(directory);
        checkSizes(directory);
    }
    // More than tmpfs has.
    const Directory directory("/dev/shm");
    const Descriptor file = nameless(directory.path);
    CHECK(syscalls::allocate(file.get(), 0, uint64_t{1} << 44, true) == -ENOSPC);
}

}  // namespace test
