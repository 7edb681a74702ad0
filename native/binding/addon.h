// What the addon keeps for one environment (the main thread or one worker). Nothing else in binding/ holds state, but
// for the holds on kinds (hold.h); there are no globals.
#pragma once

#include <napi.h>

#include <memory>

namespace daxkind {

class EnvironmentJobs;
class LossQueue;
class MappingTable;
struct ShownBuffers;

// All state of one environment, made when it loads the addon and destroyed with it.
struct AddonState {
    // lib/errors.ts systemError, registered by init(). Empty until then.
    Napi::FunctionReference systemError;
    // The mappings made by mapDescriptor, shared with the finalizers of their ArrayBuffers, which may outlive this
    // struct.
    std::shared_ptr<MappingTable> mappings;
    // The calls that other threads make for it. Null until the first one.
    std::shared_ptr<EnvironmentJobs> jobs;
    // The ArrayBuffers that scripts see memory by (shown.h); shared with their finalizers as well.
    std::shared_ptr<ShownBuffers> shown;

    // What its kinds and mappings have lost. Null until the first one.
    std::shared_ptr<LossQueue> losses;

    ~AddonState();
    static AddonState& of(Napi::Env env) { return *env.GetInstanceData<AddonState>(); }
};

}  // namespace daxkind
