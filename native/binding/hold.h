// The holds that one environment (one thread) has on kinds.
#pragma once

#include <napi.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <unordered_map>

#include "binding/loop_call.h"
#include "binding/numbered.h"
#include "kind/kind.h"
#include "kind/owned_blocks.h"

namespace daxkind {

struct Hold {
    std::shared_ptr<OwnedBlocks> blocks;
    // Destroyed before the blocks: the blocks of the last hold go with the kind.
    std::shared_ptr<Kind> kind;
    std::shared_ptr<ThreadCache> cache;
    // Wakes this thread, which then soon serves what the heap asks of it.
    std::shared_ptr<LoopCall> loopCall;
    // Whether the heap has something to ask of this thread. Set under the heap's lock.
    std::atomic<bool> isWoken{false};
    // Tells this thread what the kind loses.
    std::shared_ptr<LossSink> lossSink;
    // Freed blocks that debug mode keeps out of use for a while, each with a generation that nobody else knows. A
    // thread may end before it gives them back: the destructor frees them.
    std::unordered_map<uint64_t, uint64_t> quarantine;

    // Frees the block that the last call found but that no caller got (kResultPendingWord).
    void freePending();
    // Ends a hold when all ArrayBuffers over its memory are garbage. Nothing else can use the memory then.
    static void endWithBlocks(std::unique_ptr<Hold> hold);

    Hold() = default;
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;
    ~Hold();
};

// The holds of one environment, by numbers.
class HoldTable {
  public:
    // Makes the table of this environment. The environment's end destroys it.
    static HoldTable* create(napi_env env);

    HoldTable(const HoldTable&) = delete;
    HoldTable& operator=(const HoldTable&) = delete;

    // Joins a kind and gives the new hold as a KindHandle (lib/native.ts). Undefined with an exception pending if that
    // fails. Undefined without an exception if the kind's last hold has just ended.
    Napi::Value attach(Napi::Env env, std::shared_ptr<Kind> kind);
    // Null if there is no hold of that number, or no longer.
    Hold* find(int64_t id) { return holds_.find(id); }
    std::unique_ptr<Hold> take(int64_t id) { return holds_.take(id); }

  private:
    HoldTable() = default;
    // Runs at the end of the environment: no script runs any more, and no operation that Node knows of.
    ~HoldTable();
    // Lets other threads ask this thread for what the hold's cache has.
    void listen(napi_env env, Hold* hold);

    Numbered<Hold> holds_;
    std::shared_ptr<LoopCall> loopCall_;  // Made with the first hold.
};

}  // namespace daxkind
