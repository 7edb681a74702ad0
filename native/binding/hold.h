// One environment's (one thread's) holds on kinds.
#pragma once

#include <napi.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <unordered_map>

#include "binding/loop_call.h"
#include "kind/kind.h"
#include "kind/owned_blocks.h"

namespace daxkind {

struct Hold {
    std::shared_ptr<OwnedBlocks> blocks;
    // Goes before the blocks: those of the last hold go with the kind.
    std::shared_ptr<Kind> kind;
    std::shared_ptr<ThreadCache> cache;
    // Has this thread serve what the heap asks of it, soon.
    std::shared_ptr<LoopCall> loopCall;
    // The heap has something to ask of this thread; set under the heap's lock.
    std::atomic<bool> isWoken{false};
    // Has this thread told of what the kind loses.
    std::shared_ptr<LossSink> lossSink;
    // Freed blocks that debug mode keeps out of use for a while, with a generation that nobody else knows. A thread may
    // end before it gives them back.
    std::unordered_map<uint64_t, uint64_t> quarantine;

    // Frees the block that the last call found and no caller got (kResultPendingWord).
    void freePending();
    // Ends a hold when all ArrayBuffers over its memory are garbage: nothing else can use it.
    static void endWithBlocks(std::unique_ptr<Hold> hold);

    Hold() = default;
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;
    ~Hold();
};

// The holds of one environment by the number that JavaScript knows them by. A number is never used again: a script that
// runs in the middle of a call of ours can close the kind and make another one, and the rest of the call must not find
// that one.
class HoldTable {
  public:
    // Of this environment, whose end destroys it.
    static HoldTable* create(napi_env env);

    HoldTable(const HoldTable&) = delete;
    HoldTable& operator=(const HoldTable&) = delete;

    // Joins a kind: a new hold, as a KindHandle (lib/native.ts). Undefined with an exception pending where that fails,
    // and without one if the last hold has just ended.
    Napi::Value attach(Napi::Env env, std::shared_ptr<Kind> kind);
    // Null if there is no hold of that number (any more).
    Hold* find(int64_t id) {
        if (id != lastFound_) {
            const auto at = holds_.find(id);
            if (at == holds_.end()) return nullptr;
            lastFound_ = id;
            found_ = at->second.get();
        }
        return found_;
    }
    std::unique_ptr<Hold> take(int64_t id);

  private:
    HoldTable() = default;
    // At the end of the environment: no script runs any more, and no operation that Node knows of.
    ~HoldTable();
    // Lets other threads ask the hold's owner for what its cache holds.
    void listen(napi_env env, Hold* hold);

    std::unordered_map<int64_t, std::unique_ptr<Hold>> holds_;
    int64_t last_ = 0;
    // Most calls are for the same kind as the one before. 0 and null: none.
    int64_t lastFound_ = 0;
    Hold* found_ = nullptr;
    std::shared_ptr<LoopCall> loopCall_;  // Made with the first hold.
};

}  // namespace daxkind
