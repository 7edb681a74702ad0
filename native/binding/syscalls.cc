// The exports for files: statx, statfs, open, fallocate. Each unpacks its arguments, makes one call of
// native/syscalls, and gives the result or throws; there is no logic here.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "binding/addon.h"
#include "binding/arguments.h"
#include "binding/constants.h"
#include "binding/errors.h"
#include "binding/values.h"
#include "syscalls/allocation.h"
#include "syscalls/fiemap.h"
#include "syscalls/fsxattr.h"
#include "syscalls/mapping.h"
#include "syscalls/statfs.h"
#include "syscalls/statx.h"
#include "syscalls/temporary.h"

namespace daxkind {

namespace {

constexpr std::int64_t nanosecondsPerSecond = 1000000000;

Napi::Value fail(Napi::Env env, int result, const char* call, const char* path = nullptr) {
    throwSystemError(env, result, call, path);
    return env.Undefined();
}

/// undefined, or the error thrown if `result` is one.
Napi::Value done(Napi::Env env, int result, const char* call, const std::optional<std::string>& path) {
    if (result != 0) throwSystemError(env, result, call, path ? path->c_str() : nullptr);
    return env.Undefined();
}

/// The codes of the errors at which statxPath asks stat instead, as Node has them.
const char* refusalCode(int refusal) {
    return refusal == -ENOSYS ? "ENOSYS" : refusal == -EPERM ? "EPERM" : refusal == -EINVAL ? "EINVAL" : "ENOTSUP";
}

Napi::Object objectOf(Napi::Env env, const syscalls::FileStatus& status) {
    Napi::Object object = Napi::Object::New(env);
    const auto number = [&](const char* name, double value) { object.Set(name, Napi::Number::New(env, value)); };
    const auto bits = [&](const char* name, std::uint64_t value) { object.Set(name, Napi::BigInt::New(env, value)); };
    const auto time = [&](const char* name, const syscalls::Timestamp& value) {
        object.Set(name, Napi::BigInt::New(env, value.seconds * nanosecondsPerSecond + value.nanoseconds));
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

Napi::Value statx(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const auto path = takePath(info, 0, "path");
    if (!path) return env.Undefined();
    syscalls::FileStatus status;
    const int result = syscalls::statxPath(AT_FDCWD, path->c_str(), 0, syscalls::statxEverything(), &status);
    return result == 0 ? objectOf(env, status) : fail(env, result, "statx", path->c_str());
}

Napi::Value statxDescriptor(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const auto fd = takeDescriptor(info, 0);
    if (!fd) return env.Undefined();
    syscalls::FileStatus status;
    const int result = syscalls::statxDescriptor(*fd, &status);
    return result == 0 ? objectOf(env, status) : fail(env, result, "statx");
}

Napi::Value statxTemporary(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const auto directory = takePath(info, 0, "directory");
    if (!directory) return env.Undefined();
    int fd = -1;
    const char* call = nullptr;
    int result = syscalls::openTemporary(directory->c_str(), !info[1].ToBoolean(), &fd, &call);
    if (result != 0) return fail(env, result, call, directory->c_str());
    syscalls::FileStatus status;
    result = syscalls::statxDescriptor(fd, &status);
    close(fd);
    return result == 0 ? objectOf(env, status) : fail(env, result, "statx", directory->c_str());
}

Napi::Value statfs(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const auto path = takePath(info, 0, "path");
    if (!path) return env.Undefined();
    syscalls::FileSystemStatus status;
    const int result = syscalls::statfsPath(path->c_str(), &status);
    if (result != 0) return fail(env, result, "statfs", path->c_str());
    Napi::Object object = Napi::Object::New(env);
    const auto number = [&](const char* name, std::uint64_t value) {
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

Napi::Value tryMapSync(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const auto path = takePath(info, 0, "path");
    if (!path) return env.Undefined();
    const auto temporary = takeBoolean(info, 1, "temporary");
    if (!temporary) return env.Undefined();
    int fd = -1;
    const char* call = nullptr;
    const int opened = *temporary ? syscalls::openTemporary(path->c_str(), !info[2].ToBoolean(), &fd, &call)
                                  : syscalls::openForFsxattr(path->c_str(), true, &fd, &call);
    if (opened != 0) return fail(env, opened, call, path->c_str());
    const int result = syscalls::tryMapSync(fd);
    close(fd);
    return Napi::Number::New(env, result);
}

Napi::Value fileExtents(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const auto path = takePath(info, 0, "path");
    if (!path) return env.Undefined();
    const auto most = takeUint32(info, 1, "most");
    if (!most) return env.Undefined();
    int fd = -1;
    const char* call = nullptr;
    int result = syscalls::openForFsxattr(path->c_str(), true, &fd, &call);
    if (result != 0) return fail(env, result, call, path->c_str());
    std::vector<syscalls::Extent> extents;
    bool complete = false;
    result = syscalls::readExtents(fd, *most, &extents, &complete);
    close(fd);
    if (result != 0) return fail(env, result, "ioctl", path->c_str());
    constexpr std::size_t fields = 4;
    Napi::Float64Array list = Napi::Float64Array::New(env, extents.size() * fields);
    for (std::size_t n = 0; n < extents.size(); ++n) {
        list[n * fields] = static_cast<double>(extents[n].logical);
        list[n * fields + 1] = static_cast<double>(extents[n].physical);
        list[n * fields + 2] = static_cast<double>(extents[n].length);
        list[n * fields + 3] = extents[n].flags;
    }
    Napi::Object object = Napi::Object::New(env);
    object.Set("extents", list);
    object.Set("complete", complete);
    return object;
}

Napi::Value openFile(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const auto path = takePath(info, 0, "path");
    if (!path) return env.Undefined();
    const auto writable = takeBoolean(info, 1, "writable");
    if (!writable) return env.Undefined();
    // O_NONBLOCK: a FIFO or a device must not hold the thread before the caller has seen that it is not a file.
    const int flags = (*writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    int fd;
    do fd = open(path->c_str(), flags);
    while (fd < 0 && errno == EINTR);
    return fd >= 0 ? Napi::Value(Napi::Number::New(env, fd)) : fail(env, -errno, "open", path->c_str());
}

Napi::Value openTemporary(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const auto directory = takePath(info, 0, "directory");
    if (!directory) return env.Undefined();
    int fd = -1;
    const char* call = nullptr;
    const int result = syscalls::openTemporary(directory->c_str(), true, &fd, &call);
    return result == 0 ? Napi::Value(Napi::Number::New(env, fd)) : fail(env, result, call, directory->c_str());
}

Napi::Value closeDescriptor(const Napi::CallbackInfo& info) {
    const auto fd = takeDescriptor(info, 0);
    if (!fd) return info.Env().Undefined();
    // Linux has let go of the descriptor even when close reports EINTR.
    const int result = close(*fd) == 0 || errno == EINTR ? 0 : -errno;
    return done(info.Env(), result, "close", std::nullopt);
}

Napi::Value allocate(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const auto range = takeDescriptorRange(info, 0);
    if (!range) return env.Undefined();
    const auto keepSize = takeBoolean(info, 3, "keepSize");
    if (!keepSize) return env.Undefined();
    return done(env, syscalls::allocate(range->fd, range->offset, range->length, *keepSize), "fallocate",
                takeOptionalPath(info, 4));
}

Napi::Value allocateOrNothing(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const auto range = takeDescriptorRange(info, 0);
    if (!range) return env.Undefined();
    return done(env, syscalls::allocateOrNothing(range->fd, range->offset, range->length), "fallocate",
                takeOptionalPath(info, 3));
}

Napi::Value punchHole(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const auto range = takeDescriptorRange(info, 0);
    if (!range) return env.Undefined();
    return done(env, syscalls::punchHole(range->fd, range->offset, range->length), "fallocate",
                takeOptionalPath(info, 3));
}

Napi::Value truncate(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const auto fd = takeDescriptor(info, 0);
    if (!fd) return env.Undefined();
    const auto size = takeInteger(info, 1, "size");
    if (!size) return env.Undefined();
    return done(env, syscalls::truncate(*fd, *size), "ftruncate", takeOptionalPath(info, 2));
}

}  // namespace

void exportSyscalls(Napi::Env env, Napi::Object exports) {
    const auto add = [&](const char* name, Napi::Value (*function)(const Napi::CallbackInfo&)) {
        exports.Set(name, Napi::Function::New(env, function, name));
    };
    exports.Set("constants", kernelConstants(env));
    add("statx", statx);
    add("statxDescriptor", statxDescriptor);
    add("statxTemporary", statxTemporary);
    add("statfs", statfs);
    add("tryMapSync", tryMapSync);
    add("fileExtents", fileExtents);
    add("openFile", openFile);
    add("openTemporary", openTemporary);
    add("closeDescriptor", closeDescriptor);
    add("allocate", allocate);
    add("allocateOrNothing", allocateOrNothing);
    add("punchHole", punchHole);
    add("truncate", truncate);
}

}  // namespace daxkind
