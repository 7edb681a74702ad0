// What the addon keeps for one environment (the main thread or one worker). There are no globals. Apart from the holds
// on kinds (hold.h), nothing else in binding/ keeps state.
#pragma once

#include <napi.h>

#include <memory>

namespace daxkind {

class EnvironmentJobs;
class LossQueue;
class MappingTable;
struct MappingRequest;
struct ShownBuffers;

// All state of one environment, made when it loads the addon and destroyed with it.
struct AddonState {
    // lib/errors.ts systemError, registered by init(). Empty until then.
    Napi::FunctionReference systemError;
    // The mappings that mapDescriptor made. The finalizers of their ArrayBuffers share the table, because they may
    // outlive this struct.
    std::shared_ptr<MappingTable> mappings;
    // What the next call on a mapping is about. Its ArrayBuffer shares it.
    std::shared_ptr<MappingRequest> mappingRequest;
    // The jobs of the environment (job.h). Null until it starts the first one.
    std::shared_ptr<EnvironmentJobs> jobs;
    // The ArrayBuffers through which scripts see memory (shown.h). Their finalizers share this, too.
    std::shared_ptr<ShownBuffers> shown;

    // What the environment's kinds and mappings have lost. Null until somebody asks for the queue.
    std::shared_ptr<LossQueue> losses;

    ~AddonState();
    static AddonState& of(Napi::Env env) { return *env.GetInstanceData<AddonState>(); }
};

}  // namespace daxkind
