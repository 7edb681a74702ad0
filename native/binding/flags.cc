// The exports for a file's flags, and for changing those of a tree.
#include <unistd.h>

#include "binding/addon.h"
#include "binding/arguments.h"
#include "binding/errors.h"
#include "binding/job.h"
#include "syscalls/fsxattr.h"
#include "syscalls/fsxattr_tree.h"
#include "syscalls/inode_flags.h"

namespace daxkind {

namespace {

Napi::Value fail(Napi::Env env, int result, const char* call, const std::string& path) {
    throwSystemError(env, result, call, path.c_str());
    return env.Undefined();
}

Napi::Object objectOf(Napi::Env env, const syscalls::Fsxattr& attributes) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("flags", Napi::Number::New(env, attributes.flags));
    object.Set("extentSize", Napi::Number::New(env, attributes.extentSize));
    object.Set("extents", Napi::Number::New(env, attributes.extents));
    object.Set("projectId", Napi::Number::New(env, attributes.projectId));
    object.Set("copyExtentSize", Napi::Number::New(env, attributes.copyExtentSize));
    return object;
}

Napi::Value getFsxattr(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const auto path = takePath(info, 0, "path");
    if (!path) return env.Undefined();
    int fd = -1;
    const char* call = nullptr;
    int result = syscalls::openForFsxattr(path->c_str(), info[1].ToBoolean(), &fd, &call);
    if (result != 0) return fail(env, result, call, *path);
    syscalls::Fsxattr attributes;
    result = syscalls::getFsxattr(fd, &attributes);
    close(fd);
    return result == 0 ? objectOf(env, attributes) : fail(env, result, "ioctl", *path);
}

Napi::Value changeFsxattrFlags(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const auto path = takePath(info, 0, "path");
    if (!path) return env.Undefined();
    const auto set = takeUint32(info, 1, "set");
    if (!set) return env.Undefined();
    const auto clear = takeUint32(info, 2, "clear");
    if (!clear) return env.Undefined();
    int fd = -1;
    const char* call = nullptr;
    int result = syscalls::openForFsxattr(path->c_str(), false, &fd, &call);
    if (result != 0) return fail(env, result, call, *path);
    syscalls::Fsxattr after;
    result = syscalls::changeFsxattrFlags(fd, *set, *clear, &after, nullptr);
    close(fd);
    return result == 0 ? objectOf(env, after) : fail(env, result, "ioctl", *path);
}

Napi::Value getInodeFlags(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const auto path = takePath(info, 0, "path");
    if (!path) return env.Undefined();
    int fd = -1;
    const char* call = nullptr;
    int result = syscalls::openForFsxattr(path->c_str(), info[1].ToBoolean(), &fd, &call);
    if (result != 0) return fail(env, result, call, *path);
    std::uint32_t flags = 0;
    result = syscalls::getInodeFlags(fd, &flags);
    close(fd);
    return result == 0 ? Napi::Value(Napi::Number::New(env, flags)) : fail(env, result, "ioctl", *path);
}

/// The arguments (top, set, clear, recursive). Null with an exception pending if one does not fit.
std::shared_ptr<syscalls::FsxattrTreeChange> takeTreeChange(const Napi::CallbackInfo& info) {
    const auto top = takePath(info, 0, "top");
    if (!top) return nullptr;
    const auto set = takeUint32(info, 1, "set");
    if (!set) return nullptr;
    const auto clear = takeUint32(info, 2, "clear");
    if (!clear) return nullptr;
    const auto recursive = takeBoolean(info, 3, "recursive");
    if (!recursive) return nullptr;
    return std::make_shared<syscalls::FsxattrTreeChange>(*top, *set, *clear, *recursive);
}

Napi::Value valueOf(Napi::Env env, const syscalls::FsxattrTreeChange& result) {
    Napi::Array failures = Napi::Array::New(env, result.failures.size());
    for (std::size_t n = 0; n < result.failures.size(); ++n) {
        const syscalls::TreeFailure& failure = result.failures[n];
        Napi::Object object = Napi::Object::New(env);
        object.Set("path", Napi::Buffer<char>::Copy(env, failure.path.data(), failure.path.size()));
        object.Set("errno", failure.error);
        object.Set("syscall", failure.call);
        object.Set("inodeFlags", failure.inodeFlags);
        object.Set("attributes", Napi::BigInt::New(env, failure.attributes));
        object.Set("uid", failure.owner);
        failures.Set(static_cast<std::uint32_t>(n), object);
    }
    Napi::Object object = Napi::Object::New(env);
    const auto number = [&](const char* name, double value) { object.Set(name, Napi::Number::New(env, value)); };
    number("files", result.control.files);
    number("directories", result.control.directories);
    number("changed", result.control.changed);
    object.Set("failures", failures);
    return object;
}

// changeFsxattrTree(top, set, clear, recursive)
Napi::Value changeFsxattrTree(const Napi::CallbackInfo& info) {
    const auto change = takeTreeChange(info);
    if (change == nullptr) return info.Env().Undefined();
    const char* call = nullptr;
    int result;
    do result = change->step(&call);
    while (result > 0);
    const std::string top = info[0].As<Napi::String>();
    return result == 0 ? valueOf(info.Env(), *change) : fail(info.Env(), result, call, top);
}

// changeFsxattrTreeAsync(top, set, clear, recursive)
Napi::Value changeFsxattrTreeAsync(const Napi::CallbackInfo& info) {
    const auto change = takeTreeChange(info);
    if (change == nullptr) return info.Env().Undefined();
    auto job = std::make_unique<Job>();
    job->path = info[0].As<Napi::String>();
    job->step = [change](const char** failedCall) { return change->step(failedCall); };
    job->value = [change](Napi::Env env) { return valueOf(env, *change); };
    return startJob(info.Env(), std::move(job), std::shared_ptr<syscalls::TreeControl>(change, &change->control));
}

}  // namespace

void exportFlags(Napi::Env env, Napi::Object exports) {
    const auto add = [&](const char* name, Napi::Value (*function)(const Napi::CallbackInfo&)) {
        exports.Set(name, Napi::Function::New(env, function, name));
    };
    add("getFsxattr", getFsxattr);
    add("changeFsxattrFlags", changeFsxattrFlags);
    add("getInodeFlags", getInodeFlags);
    add("changeFsxattrTree", changeFsxattrTree);
    add("changeFsxattrTreeAsync", changeFsxattrTreeAsync);
}

}  // namespace daxkind
