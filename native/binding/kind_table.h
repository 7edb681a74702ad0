// What native code keeps of kinds: the kind itself, which all threads of the process share, and each environment's
// holds on kinds.
#pragma once

#include <napi.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "binding/loop_call.h"
#include "binding/shown.h"
#include "heap/heap.h"
#include "kind/decay.h"
#include "region/region.h"

namespace daxkind {

// What the facade of every thread has to know of a kind.
struct KindDescription {
    const char* type = "";  // 'pmem' or 'fixed'
    std::string path;
    bool sync = false;
    bool debug = false;
    // Nothing where neither statx nor MAP_SYNC tells.
    std::optional<bool> dax = false;
    uint32_t deviceMajor = 0;
    uint32_t deviceMinor = 0;
    uint64_t room = 0;  // Bytes that its file system has, used or not; 0: that is no limit.
};

// A heap with its region. The addresses of both outlive it: ArrayBuffers that JavaScript still holds keep them mapped.
struct Kind {
    // In this process, never used again. 0 until it is registered.
    uint32_t number = 0;
    // What a share of the kind carries, and attaching asks for; empty until the first share. Numbers can be counted up.
    std::string secret;
    // The numbers that its raw handles are made of (heap/raw_numbers.h). 0 until the first is needed.
    uint64_t firstHandle = 0;
    KindDescription description;
    std::shared_ptr<Region> region;
    const std::shared_ptr<Heap> heapOwner = std::make_shared<Heap>();
    Heap& heap = *heapOwner;
    std::shared_ptr<Decay> decay;  // Null if its storage does not.

    // Its storage goes back by another thread when nobody has it any more: whoever happens to let go last, a finalizer
    // on an event loop for one, does not wait for that.
    static std::shared_ptr<Kind> make();
    // But while this lives, what this thread lets go of last goes back at once.
    class AtOnce {
      public:
        AtOnce() { isAtOnce_ = true; }
        AtOnce(const AtOnce&) = delete;
        AtOnce& operator=(const AtOnce&) = delete;
        ~AtOnce() { isAtOnce_ = false; }
    };

    Kind(const Kind&) = delete;
    Kind& operator=(const Kind&) = delete;
    ~Kind();

  private:
    Kind() = default;
    static void end(Kind* kind);
    static thread_local bool isAtOnce_;
};

// The process-wide registry: who has a kind's number and secret can join it while somebody holds it.
void registerKind(const std::shared_ptr<Kind>& kind);
std::shared_ptr<Kind> findKind(uint32_t number, const std::string& secret);
// 128 random bits in hexadecimal, made when they are first asked for. 0 or -errno.
int secretOf(Kind& kind, std::string* secret);
// The first of `count` numbers for raw handles that are the kind's alone, the same for each thread. 0: there are none.
uint64_t firstHandleOf(Kind& kind, uint64_t count);
// Whether a kind of this process, maybe a closed one, has or had this number for its raw handles.
bool isHandleOfSomeKind(uint64_t number);
// Tells this process's handles from another's: 52 random bits.
double processNonce();

struct Attachment;

// The blocks that a hold on a kind took and neither freed nor shared, once the hold is no more. They are free when no
// script and no operation of Node's own can reach their memory: at the end of the environment, because Node waits for
// its operations before; after a close in a thread that goes on, when all ArrayBuffers over the memory are garbage, for
// an operation under way keeps its own. Those share in this object.
class OwnedBlocks {
  public:
    OwnedBlocks(std::weak_ptr<Kind> kind, uint32_t owner);
    OwnedBlocks(const OwnedBlocks&) = delete;
    OwnedBlocks& operator=(const OwnedBlocks&) = delete;
    // Frees them now if they are few. Else another thread does, so that no event loop waits for it.
    ~OwnedBlocks();
    // Frees them now, on this thread.
    void free();
    // Ends a hold when all ArrayBuffers over its memory are garbage: nothing else can use it.
    static void endWith(std::unique_ptr<Attachment> hold);

  private:
    std::weak_ptr<Kind> kind_;
    const uint32_t owner_;
    bool isFreed_ = false;
    std::unique_ptr<Attachment> hold_;
};

// One environment's (one thread's) hold on a kind.
struct Attachment {
    std::shared_ptr<OwnedBlocks> blocks;
    // Goes before the blocks: those of the last hold go with the kind.
    std::shared_ptr<Kind> kind;
    std::shared_ptr<ThreadCache> cache;
    // Has this thread answer the heap, soon.
    std::shared_ptr<LoopCall> loopCall;
    // The heap has something to ask of this thread; set under the heap's lock.
    std::atomic<bool> isWoken{false};
    // Freed blocks that debug mode keeps out of use for a while, with a generation that nobody else knows. A thread may
    // end before it gives them back.
    std::unordered_map<uint64_t, uint64_t> quarantine;

    // Frees the block that the last call found and no caller got (kResultPendingWord).
    void freePending();

    Attachment() = default;
    Attachment(const Attachment&) = delete;
    Attachment& operator=(const Attachment&) = delete;
    ~Attachment();
};

// The holds of one environment by the number that JavaScript knows them by. A number is never used again: a script that
// runs in the middle of a call of ours can close the kind and make another one, and the rest of the call must not find
// that one.
class KindTable {
  public:
    KindTable() = default;
    KindTable(const KindTable&) = delete;
    KindTable& operator=(const KindTable&) = delete;
    // At the end of the environment: no script runs any more, and no operation that Node knows of.
    ~KindTable();

    // Lets other threads ask the hold's owner to answer.
    void listen(napi_env env, Attachment* attachment);
    int64_t add(std::unique_ptr<Attachment> attachment);
    Attachment* find(int64_t id) {
        if (id != lastFound_) {
            const auto at = attachments_.find(id);
            if (at == attachments_.end()) return nullptr;
            lastFound_ = id;
            found_ = at->second.get();
        }
        return found_;
    }
    std::unique_ptr<Attachment> take(int64_t id);

  private:
    std::unordered_map<int64_t, std::unique_ptr<Attachment>> attachments_;
    int64_t last_ = 0;
    // Most calls are for the same kind as the one before. 0 and null: none.
    int64_t lastFound_ = 0;
    Attachment* found_ = nullptr;
    std::shared_ptr<LoopCall> loopCall_;  // Made with the first hold.
};

// The arguments of a hot call, all numbers, and the hold that the first one names.
template <size_t N>
struct Call {
    napi_value values[N + 1];
    KindTable* table = nullptr;

    Call(napi_env env, napi_callback_info info) : env_(env) {
        size_t count = N + 1;
        void* data = nullptr;
        napi_get_cb_info(env, info, &count, values, nullptr, &data);
        table = static_cast<KindTable*>(data);
    }

    int64_t id() const {
        int64_t id = 0;
        napi_get_value_int64(env_, values[0], &id);
        return id;
    }

    Attachment* attachment() const { return table->find(id()); }

    uint32_t uint32(size_t index) const {
        uint32_t value = 0;
        napi_get_value_uint32(env_, values[index + 1], &value);
        return value;
    }

    double number(size_t index) const {
        double value = 0;
        napi_get_value_double(env_, values[index + 1], &value);
        return value;
    }

    uint64_t uint64(size_t index) const {
        const double value = number(index);
        return value > 0 && value < 18446744073709551616.0 ? static_cast<uint64_t>(value) : 0;
    }

    // Detaches the ArrayBuffer at `index`, if there is one: every view of it has length 0 then.
    void detach(size_t index) const { detachArrayBuffer(env_, values[index + 1]); }

    uint64_t blockOffset(size_t index) const {
        return (static_cast<uint64_t>(uint32(index)) << kSegmentShift) + uint32(index + 1);
    }

  private:
    napi_env env_;
};

inline napi_value number(napi_env env, int value) {
    napi_value result;
    napi_create_int32(env, value, &result);
    return result;
}

inline napi_value number(napi_env env, double value) {
    napi_value result;
    napi_create_double(env, value, &result);
    return result;
}

// Joins a kind: a new hold of this environment as a KindHandle (lib/native.ts). Undefined with an exception pending
// where that fails, and without one if the last hold has just ended.
Napi::Value attachKind(Napi::Env env, KindTable* table, std::shared_ptr<Kind> kind);

// The groups of exports; `table` is the data of their functions.
void exportKindMaking(Napi::Env env, Napi::Object exports, KindTable* table);      // kind.cc
void exportKindBlocks(Napi::Env env, Napi::Object exports, KindTable* table);      // kind_blocks.cc
void exportKindSharing(Napi::Env env, Napi::Object exports, KindTable* table);     // kind_sharing.cc
void exportKindStatistics(Napi::Env env, Napi::Object exports, KindTable* table);  // kind_statistics.cc
void exportKindJobs(Napi::Env env, Napi::Object exports, KindTable* table);        // kind_jobs.cc
Napi::Object kindLayout(Napi::Env env);                                            // kind_layout.cc

inline void addFunction(Napi::Env env, Napi::Object exports, const char* name, napi_callback callback, void* data) {
    napi_value function = nullptr;
    const napi_status status = napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, data, &function);
    if (status == napi_ok) exports.Set(name, Napi::Value(env, function));
}

}  // namespace daxkind
