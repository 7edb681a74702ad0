// A kind: what all threads of the process share of it. registry.h knows the kinds that there are, making.h makes them.
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

// What the facade of every thread has to know of a kind.
struct KindDescription {
    const char* type = "";  // 'pmem', 'fixed', 'device' or 'node'
    std::string path;
    bool sync = false;
    bool debug = false;
    // Nothing where neither statx nor MAP_SYNC tells.
    std::optional<bool> dax = false;
    uint32_t deviceMajor = 0;
    uint32_t deviceMinor = 0;
    // Of a node kind.
    std::vector<int> nodes = {};
    int policy = 0;
    uint64_t room = 0;  // Bytes that its file system has, used or not; 0: that is no limit.
};

// A heap with its region. The addresses of both outlive it: ArrayBuffers that JavaScript still holds keep them mapped.
struct Kind {
    // In this process, never used again. 0 until it is registered.
    uint32_t number = 0;
    // What a share of the kind carries, and attaching asks for; empty until the first share. Numbers can be counted up.
    std::string secret;
    // The numbers that its raw handles are made of (heap/raw_numbers.h). 0 until the first is needed.
    std::atomic<uint64_t> firstHandle{0};
    KindDescription description;
    std::shared_ptr<Region> region;
    const std::shared_ptr<Heap> heapOwner = std::make_shared<Heap>();
    Heap& heap = *heapOwner;
    KindLosses losses;
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

}  // namespace daxkind
