// The exports for files: statx, statfs, open, fallocate. Each takes its arguments, makes one call of native/syscalls,
// and gives the result or throws. There is no other logic here.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <string>
#include <vector>

#include "binding/call.h"
#include "binding/constants.h"
#include "binding/errors.h"
#include "binding/exports.h"
#include "binding/values.h"
#include "syscalls/allocation.h"
#include "syscalls/fiemap.h"
#include "syscalls/fsxattr.h"
#include "syscalls/locks.h"
#include "syscalls/mapping.h"
#include "syscalls/numa.h"
#include "syscalls/statfs.h"
#include "syscalls/statx.h"
#include "syscalls/temporary.h"

namespace daxkind {

namespace {

constexpr int64_t kNanosecondsPerSecond = 1000000000;

// Gives undefined, and throws the error if `result` is one.
napi_value done(napi_env env, int result, const char* call, const std::optional<std::string>& path) {
    if (result != 0) throwSystemError(env, result, call, path ? path->c_str() : nullptr);
    return nullptr;
}

// Node's codes for the errors at which statxPath asks stat instead.
const char* refusalCode(int refusal) {
    return refusal == -ENOSYS ? "ENOSYS" : refusal == -EPERM ? "EPERM" : refusal == -EINVAL ? "EINVAL" : "ENOTSUP";
}

Napi::Object objectOf(Napi::Env env, const syscalls::FileStatus& status) {
    Napi::Object object = Napi::Object::New(env);
    const auto number = [&](const char* name, double value) { object.Set(name, Napi::Number::New(env, value)); };
    const auto bits = [&](const char* name, uint64_t value) { object.Set(name, Napi::BigInt::New(env, value)); };
    const auto time = [&](const char* name, const syscalls::Timestamp& value) {
        object.Set(name, Napi::BigInt::New(env, value.seconds * kNanosecondsPerSecond + value.nanoseconds));
    };
    number("mask", status.mask);
    bits("attributes", status.attributes);
    bits("attributesMask", status.attributesMask);
    object.Set("refusal", status.refusal == 0 ? env.Undefined()
                                              : Napi::Value(Napi::String::New(env, refusalCode(status.refusal))));
    object.Set("dax", optionalBoolean(env, status.dax()));
    number("blockSize", status.blockSize);
    number("links", status.links);
    number("uid", status.uid);
    number("gid", status.gid);
    number("mode", status.mode);
    bits("inode", status.inode);
    number("size", static_cast<double>(status.size));
    number("blocks", static_cast<double>(status.blocks));
    time("accessTimeNs", status.accessed);
    time("birthTimeNs", status.created);
    time("changeTimeNs", status.changed);
    time("modifyTimeNs", status.modified);
    number("deviceMajor", status.deviceMajor);
    number("deviceMinor", status.deviceMinor);
    number("representsMajor", status.representsMajor);
    number("representsMinor", status.representsMinor);
    number("mountId", static_cast<double>(status.mountId));
    number("directIoMemoryAlignment", status.directIoMemoryAlignment);
    number("directIoOffsetAlignment", status.directIoOffsetAlignment);
    return object;
}

// statx(path)
napi_value statx(napi_env env, napi_callback_info info) {
    Call call(env, info, 1);
    const std::string path = call.path("path");
    if (call.isRefused()) return nullptr;
    syscalls::FileStatus status;
    const int result = syscalls::statxPath(AT_FDCWD, path.c_str(), 0, syscalls::statxEverything(), &status);
    if (result != 0) return throwSystemError(env, result, "statx", path.c_str());
    return objectOf(env, status);
}

// statxDescriptor(fd)
napi_value statxDescriptor(napi_env env, napi_callback_info info) {
    Call call(env, info, 1);
    const int fd = call.descriptor("fd");
    if (call.isRefused()) return nullptr;
    syscalls::FileStatus status;
    const int result = syscalls::statxDescriptor(fd, &status);
    if (result != 0) return throwSystemError(env, result, "statx");
    return objectOf(env, status);
}

// statxTemporary(directory, onlyNameless?)
napi_value statxTemporary(napi_env env, napi_callback_info info) {
    Call call(env, info, 2);
    const std::string directory = call.path("directory");
    const bool onlyNameless = call.optionalBoolean("onlyNameless");
    if (call.isRefused()) return nullptr;
    int fd = -1;
    const char* failedCall = nullptr;
    int result = syscalls::openTemporary(directory.c_str(), !onlyNameless, &fd, &failedCall);
    if (result != 0) return throwSystemError(env, result, failedCall, directory.c_str());
    syscalls::FileStatus status;
    result = syscalls::statxDescriptor(fd, &status);
    close(fd);
    if (result != 0) return throwSystemError(env, result, "statx", directory.c_str());
    return objectOf(env, status);
}

// statfs(path)
napi_value statfs(napi_env env, napi_callback_info info) {
    Call call(env, info, 1);
    const std::string path = call.path("path");
    if (call.isRefused()) return nullptr;
    syscalls::FileSystemStatus status;
    const int result = syscalls::statfsPath(path.c_str(), &status);
    if (result != 0) return throwSystemError(env, result, "statfs", path.c_str());
    Napi::Object object = Napi::Object::New(env);
    const auto number = [&](const char* name, uint64_t value) {
        object.Set(name, Napi::Number::New(env, static_cast<double>(value)));
    };
    number("type", status.type);
    number("blockSize", status.blockSize);
    number("blocks", status.blocks);
    number("blocksFree", status.blocksFree);
    number("blocksAvailable", status.blocksAvailable);
    number("files", status.files);
    number("filesFree", status.filesFree);
    number("mountFlags", status.mountFlags);
    return object;
}

// tryMapSync(path, temporary, onlyNameless?)
napi_value tryMapSync(napi_env env, napi_callback_info info) {
    Call call(env, info, 3);
    const std::string path = call.path("path");
    const bool temporary = call.boolean("temporary");
    const bool onlyNameless = call.optionalBoolean("onlyNameless");
    if (call.isRefused()) return nullptr;
    int fd = -1;
    const char* failedCall = nullptr;
    const int opened = temporary ? syscalls::openTemporary(path.c_str(), !onlyNameless, &fd, &failedCall)
                                 : syscalls::openForFsxattr(path.c_str(), true, &fd, &failedCall);
    if (opened != 0) return throwSystemError(env, opened, failedCall, path.c_str());
    const int result = syscalls::tryMapSync(fd);
    close(fd);
    return number(env, result);
}

// fileExtents(path, most)
napi_value fileExtents(napi_env env, napi_callback_info info) {
    Call call(env, info, 2);
    const std::string path = call.path("path");
    const uint32_t most = call.uint32("most");
    if (call.isRefused()) return nullptr;
    int fd = -1;
    const char* failedCall = nullptr;
    int result = syscalls::openForFsxattr(path.c_str(), true, &fd, &failedCall);
    if (result != 0) return throwSystemError(env, result, failedCall, path.c_str());
    std::vector<syscalls::Extent> extents;
    bool complete = false;
    result = syscalls::readExtents(fd, 0, std::numeric_limits<uint64_t>::max(), most, &extents, &complete);
    close(fd);
    if (result != 0) return throwSystemError(env, result, "ioctl", path.c_str());
    constexpr size_t kFields = 4;
    Napi::Float64Array list = Napi::Float64Array::New(env, extents.size() * kFields);
    for (size_t n = 0; n < extents.size(); ++n) {
        list[n * kFields] = static_cast<double>(extents[n].logical);
        list[n * kFields + 1] = static_cast<double>(extents[n].physical);
        list[n * kFields + 2] = static_cast<double>(extents[n].length);
        list[n * kFields + 3] = extents[n].flags;
    }
    Napi::Object object = Napi::Object::New(env);
    object.Set("extents", list);
    object.Set("complete", complete);
    return object;
}

// openFile(path, writable)
napi_value openFile(napi_env env, napi_callback_info info) {
    Call call(env, info, 2);
    const std::string path = call.path("path");
    const bool writable = call.boolean("writable");
    if (call.isRefused()) return nullptr;
    // O_NONBLOCK: opening a FIFO or a device must not block the thread before the caller has seen that it is not a
    // file.
    const int flags = (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    int fd;
    do fd = open(path.c_str(), flags);
    while (fd < 0 && errno == EINTR);
    if (fd < 0) return throwSystemError(env, -errno, "open", path.c_str());
    return number(env, fd);
}

// closeDescriptor(fd)
napi_value closeDescriptor(napi_env env, napi_callback_info info) {
    Call call(env, info, 1);
    const int fd = call.descriptor("fd");
    if (call.isRefused()) return nullptr;
    // Linux has closed the descriptor even when close reports EINTR.
    const int result = close(fd) == 0 || errno == EINTR ? 0 : -errno;
    return done(env, result, "close", std::nullopt);
}

// A byte that is behind all that a file or a device can have, for locks of them as a whole.
constexpr uint64_t kLockByte = uint64_t{1} << 62;

// lockDescriptor(fd) -> boolean
napi_value lockDescriptor(napi_env env, napi_callback_info info) {
    Call call(env, info, 1);
    const int fd = call.descriptor("fd");
    if (call.isRefused()) return nullptr;
    const int result = syscalls::lockRange(fd, kLockByte, 1);
    if (result != 0 && result != -EAGAIN) return throwSystemError(env, result, "fcntl");
    return boolean(env, result == 0);
}

// allocateOrNothing(fd, offset, length, path?)
napi_value allocateOrNothing(napi_env env, napi_callback_info info) {
    Call call(env, info, 4);
    const auto [fd, offset, length] = call.descriptorRange();
    const auto path = call.optionalPath("path");
    if (call.isRefused()) return nullptr;
    return done(env, syscalls::allocateOrNothing(fd, offset, length), "fallocate", path);
}

// currentNode(): the NUMA node of the processor that this thread runs on
napi_value currentNode(napi_env env, napi_callback_info) {
    return number(env, syscalls::currentNode());
}

}  // namespace

void exportSyscalls(Napi::Env env, Napi::Object exports) {
    exports.Set("constants", kernelConstants(env));
    exportFunctions(env, exports,
                    {{"statx", statx},
                     {"statxDescriptor", statxDescriptor},
                     {"statxTemporary", statxTemporary},
                     {"statfs", statfs},
                     {"tryMapSync", tryMapSync},
                     {"fileExtents", fileExtents},
                     {"openFile", openFile},
                     {"closeDescriptor", closeDescriptor},
                     {"lockDescriptor", lockDescriptor},
                     {"allocateOrNothing", allocateOrNothing},
                     {"currentNode", currentNode}});
}

}  // namespace daxkind
