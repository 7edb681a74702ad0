// The exports for a file's flags, and for changing the flags of a tree.
#include <unistd.h>

#include <memory>
#include <string>

#include "binding/call.h"
#include "binding/errors.h"
#include "binding/exports.h"
#include "binding/job.h"
#include "binding/values.h"
#include "binding/walk_failure.h"
#include "syscalls/fsxattr.h"
#include "syscalls/fsxattr_tree.h"
#include "syscalls/inode_flags.h"

namespace daxkind {

namespace {

// Opens a file or directory, calls `ask(fd)` (an ioctl that gives 0 or -errno), and closes it. False with an exception
// pending if something failed.
template <typename Ask>
bool onFile(napi_env env, const std::string& path, bool followsLink, Ask ask) {
    int fd = -1;
    const char* failedCall = nullptr;
    int result = syscalls::openForFsxattr(path.c_str(), followsLink, &fd, &failedCall);
    if (result == 0) {
        failedCall = "ioctl";
        result = ask(fd);
        close(fd);
    }
    if (result != 0) throwSystemError(env, result, failedCall, path.c_str());
    return result == 0;
}

napi_value objectOf(Napi::Env env, const syscalls::Fsxattr& attributes) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("flags", Napi::Number::New(env, attributes.flags));
    object.Set("extentSize", Napi::Number::New(env, attributes.extentSize));
    object.Set("extents", Napi::Number::New(env, attributes.extents));
    object.Set("projectId", Napi::Number::New(env, attributes.projectId));
    object.Set("copyExtentSize", Napi::Number::New(env, attributes.copyExtentSize));
    return object;
}

// getFsxattr(path, followsLink?)
napi_value getFsxattr(napi_env env, napi_callback_info info) {
    Call call(env, info, 2);
    const std::string path = call.path("path");
    const bool followsLink = call.optionalBoolean("followsLink");
    if (call.isRefused()) return nullptr;
    syscalls::Fsxattr attributes;
    const auto ask = [&](int fd) { return syscalls::getFsxattr(fd, &attributes); };
    return onFile(env, path, followsLink, ask) ? objectOf(env, attributes) : nullptr;
}

// changeFsxattrFlags(path, set, clear)
napi_value changeFsxattrFlags(napi_env env, napi_callback_info info) {
    Call call(env, info, 3);
    const std::string path = call.path("path");
    const uint32_t set = call.uint32("set");
    const uint32_t clear = call.uint32("clear");
    if (call.isRefused()) return nullptr;
    syscalls::Fsxattr after;
    const auto ask = [&](int fd) { return syscalls::changeFsxattrFlags(fd, set, clear, &after, nullptr); };
    return onFile(env, path, false, ask) ? objectOf(env, after) : nullptr;
}

// getInodeFlags(path, followsLink?)
napi_value getInodeFlags(napi_env env, napi_callback_info info) {
    Call call(env, info, 2);
    const std::string path = call.path("path");
    const bool followsLink = call.optionalBoolean("followsLink");
    if (call.isRefused()) return nullptr;
    uint32_t flags = 0;
    const auto ask = [&](int fd) { return syscalls::getInodeFlags(fd, &flags); };
    return onFile(env, path, followsLink, ask) ? number(env, static_cast<double>(flags)) : nullptr;
}

// The arguments of a change of a tree.
struct TreeArguments {
    std::string top;
    uint32_t set;
    uint32_t clear;
    bool recursive;

    explicit TreeArguments(Call& call)
        : top(call.path("top")),
          set(call.uint32("set")),
          clear(call.uint32("clear")),
          recursive(call.boolean("recursive")) {}

    std::shared_ptr<syscalls::FsxattrTreeChange> change() const {
        return std::make_shared<syscalls::FsxattrTreeChange>(top, set, clear, recursive);
    }
};

Napi::Value valueOf(Napi::Env env, const syscalls::FsxattrTreeChange& result) {
    Napi::Array failures = Napi::Array::New(env, result.failures.size());
    for (size_t n = 0; n < result.failures.size(); ++n) {
        const syscalls::TreeFailure& failure = result.failures[n];
        Napi::Object object = failureObject(env, failure);
        object.Set("inodeFlags", failure.inodeFlags);
        object.Set("attributes", Napi::BigInt::New(env, failure.attributes));
        object.Set("uid", failure.owner);
        failures.Set(static_cast<uint32_t>(n), object);
    }
    Napi::Object object = Napi::Object::New(env);
    const auto number = [&](const char* name, double value) { object.Set(name, Napi::Number::New(env, value)); };
    number("files", result.control->files);
    number("directories", result.control->directories);
    number("changed", result.control->changed);
    object.Set("failures", failures);
    return object;
}

// changeFsxattrTree(top, set, clear, recursive)
napi_value changeFsxattrTree(napi_env env, napi_callback_info info) {
    Call call(env, info, 4);
    const TreeArguments arguments(call);
    if (call.isRefused()) return nullptr;
    const auto change = arguments.change();
    const char* failedCall = nullptr;
    int result;
    do result = change->step(&failedCall);
    while (result > 0);
    if (result != 0) return throwSystemError(env, result, failedCall, arguments.top.c_str());
    return valueOf(env, *change);
}

// changeFsxattrTreeAsync(top, set, clear, recursive)
napi_value changeFsxattrTreeAsync(napi_env env, napi_callback_info info) {
    Call call(env, info, 4);
    const TreeArguments arguments(call);
    if (call.isRefused()) return nullptr;
    const auto change = arguments.change();
    auto job = std::make_unique<Job>();
    job->path = arguments.top;
    job->step = [change](const char** failedCall) { return change->step(failedCall); };
    job->value = [change](Napi::Env env) { return valueOf(env, *change); };
    return startJob(env, std::move(job), change->control);
}

}  // namespace

void exportFlags(Napi::Env env, Napi::Object exports) {
    exportFunctions(env, exports,
                    {{"getFsxattr", getFsxattr},
                     {"changeFsxattrFlags", changeFsxattrFlags},
                     {"getInodeFlags", getInodeFlags},
                     {"changeFsxattrTree", changeFsxattrTree},
                     {"changeFsxattrTreeAsync", changeFsxattrTreeAsync}});
}

}  // namespace daxkind
