// A kind: the part that all threads of the process share. registry.h knows all kinds, and making.h makes them.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "heap/heap.h"
#include "kind/decay.h"
#include "kind/losses.h"
#include "region/region.h"

namespace daxkind {

// What the facade in every thread has to know of a kind.
struct KindDescription {
    const char* type = "";  // 'pmem', 'fixed', 'device' or 'node'
    std::string path;
    bool sync = false;
    bool debug = false;
    // No value if neither statx nor MAP_SYNC tells.
    std::optional<bool> dax = false;
    uint32_t deviceMajor = 0;
    uint32_t deviceMinor = 0;
    // Only of a node kind.
    std::vector<int> nodes = {};
    int policy = 0;
    // Bytes that its file system, or its nodes, have in all, used or not. 0: they set no limit.
    uint64_t room = 0;
};

// A heap with its region. When the kind goes, ArrayBuffers that JavaScript still holds keep the addresses mapped.
struct Kind {
    // The kind's number in this process. No other kind ever gets it. 0 until the kind is registered.
    uint32_t number = 0;
    // A share of the kind carries it, and a thread must have it to attach, because a number could be guessed by
    // counting. Empty until the first share.
    std::string secret;
    // The first of the numbers of its raw handles (heap/raw_numbers.h). 0 until a handle is needed.
    std::atomic<uint64_t> firstHandle{0};
    KindDescription description;
    std::shared_ptr<Region> region;
    const std::shared_ptr<Heap> heapOwner = std::make_shared<Heap>();
    Heap& heap = *heapOwner;
    KindLosses losses;
    std::shared_ptr<Decay> decay;  // Null if the storage of its region does not decay.

    // Makes an empty kind. When nobody has it any more, another thread destroys it and gives its storage back. So the
    // last to let go does not wait for that: it may be a finalizer on an event loop.
    static std::shared_ptr<Kind> make();
    // While an object of this class lives, a kind that this thread is the last to let go of is destroyed at once, on
    // this thread.
    class AtOnce {
      public:
        AtOnce();
        AtOnce(const AtOnce&) = delete;
        AtOnce& operator=(const AtOnce&) = delete;
        ~AtOnce();
    };

    Kind(const Kind&) = delete;
    Kind& operator=(const Kind&) = delete;
    ~Kind();

  private:
    Kind() = default;
    static void end(Kind* kind);
};

}  // namespace daxkind
