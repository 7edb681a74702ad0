// The mappings of one environment that JavaScript sees as ArrayBuffers. A mapped range lives from mmap until the
// ArrayBuffer and its backing store are garbage, and nobody else uses it: no address that a script, or an operation
// that it started, can still reach is ever unmapped.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "region/fixed.h"

namespace daxkind {

// One mmap. May be destroyed, which unmaps it, by any thread.
struct MappedRange {
    char* address;
    size_t length;
    // What is mapped.
    FileRange file;
    // releaseMapping has put anonymous memory in the file's place.
    bool released = false;
    // Over the file, and no more once it is released.
    guard::Watch watch;
    std::shared_ptr<guard::Watch::Listener> listener;
    std::string path;                   // Empty: it is not known.
    std::vector<guard::Part> knownBad;  // Since it was mapped.
    // Kinds that are open over it.
    std::atomic<int> users{0};

    MappedRange(void* at, size_t bytes, const FileRange& mapped)
        : address(static_cast<char*>(at)), length(bytes), file(mapped) {}
    MappedRange(const MappedRange&) = delete;
    MappedRange& operator=(const MappedRange&) = delete;
    ~MappedRange();
    // How much of a part there is in the mapping, whose last page may be longer.
    uint64_t bytesOf(const guard::Part& part) const { return std::min<uint64_t>(part.length, length - part.offset); }
    // Why parts of it were lost. The file may have another name by now: then it is not known.
    std::vector<LossCause> causesOf(const std::vector<guard::Part>& parts) const;
};

class MappingTable {
  public:
    uint32_t add(std::shared_ptr<MappedRange> range);
    // null if there is no such mapping (any more).
    std::shared_ptr<MappedRange> find(uint32_t id) const;
    void remove(uint32_t id) { entries_.erase(id); }

  private:
    std::unordered_map<uint32_t, std::shared_ptr<MappedRange>> entries_;
    uint32_t lastId_ = 0;
};

}  // namespace daxkind
