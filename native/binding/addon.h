// What the addon keeps for one environment (the main thread or one worker), and the hooks by which each group of
// exports joins the table. Nothing else in binding/ holds state; there are no globals.
#pragma once

#include <napi.h>

#include <memory>

namespace daxkind {

class EnvironmentJobs;
class MappingTable;
struct ShownBuffers;

/// All state of one environment, made when it loads the addon and destroyed with it.
struct AddonState {
    /// lib/errors.ts systemError, registered by init(). Empty until then.
    Napi::FunctionReference systemError;
    /// The mappings made by mapDescriptor, shared with the finalizers of their ArrayBuffers, which may outlive this
    /// struct.
    std::shared_ptr<MappingTable> mappings;
    /// The calls that other threads make for it. Null until the first one.
    std::shared_ptr<EnvironmentJobs> jobs;
    /// The ArrayBuffers that scripts see memory by (shown.h); shared with their finalizers as well.
    std::shared_ptr<ShownBuffers> shown;

    static AddonState& of(Napi::Env env) { return *env.GetInstanceData<AddonState>(); }
};

/// binding/syscalls.cc: files, file systems, and the kernel's constants.
void exportSyscalls(Napi::Env env, Napi::Object exports);

/// binding/flags.cc: the flags of files and of trees of them.
void exportFlags(Napi::Env env, Napi::Object exports);

/// binding/mapping.cc: mappings as ArrayBuffers.
void exportMapping(Napi::Env env, Napi::Object exports);

/// binding/shown.cc: detaching ArrayBuffers.
void exportShown(Napi::Env env, Napi::Object exports);

/// binding/persist.cc: flush, drain and msync of a range of a Buffer.
void exportPersist(Napi::Env env, Napi::Object exports);

}  // namespace daxkind
