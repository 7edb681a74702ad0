// The mappings of one environment that JavaScript sees as ArrayBuffers. A mapped range lives until its ArrayBuffers and
// their backing stores are garbage and nobody else uses it. So an address that a script can still reach, or an
// operation that it started, is never unmapped.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "region/dax_device_mapping.h"
#include "region/fixed.h"

namespace daxkind {

// One mmap. Any thread may destroy it, which unmaps it.
struct MappedRange {
    char* address;
    size_t length;
    // The part of the file that is mapped. Of a device-DAX device: the numbers of its node, and its bytes.
    FileRange file;
    // releaseMapping has put anonymous memory in the file's place. Jobs of other threads look at it.
    std::atomic<bool> released{false};
    // Watches the file's pages until the mapping is released.
    guard::Watch watch;
    std::shared_ptr<guard::Watch::Listener> listener;
    std::string path;                   // Empty if it is not known.
    std::vector<guard::Part> knownBad;  // Parts that were known to be bad when the file was mapped.
    // How many open kinds use it.
    std::atomic<int> users{0};
    // The device, if it is a device-DAX device's memory.
    std::unique_ptr<DaxDeviceMapping> device;
    // What each ArrayBuffer over it keeps alive, and what keeps it in the table.
    std::weak_ptr<void> claim;

    MappedRange(void* at, size_t bytes, const FileRange& mapped)
        : address(static_cast<char*>(at)), length(bytes), file(mapped) {}
    MappedRange(const MappedRange&) = delete;
    MappedRange& operator=(const MappedRange&) = delete;
    ~MappedRange();
    // How many bytes of a part lie in the mapping. The last page may be longer than the mapping.
    uint64_t bytesOf(const guard::Part& part) const { return std::min<uint64_t>(part.length, length - part.offset); }
    // Why parts of it were lost. The cause is not known if the file has another name by now.
    std::vector<LossCause> causesOf(const std::vector<guard::Part>& parts) const;
};

// The numbers of a call that stores into a mapping or makes stores persistent (persist.cc). JavaScript sees them as a
// Float64Array.
struct MappingRequest {
    double id = 0;
    double offset = 0;
    double length = 0;
    double how = 0;
    double from = 0;  // Of a move: the offset of the source. Of a fill: the byte. Of mappingWriteAll: how many writes.
};

class MappingTable {
  public:
    uint32_t add(std::shared_ptr<MappedRange> range);
    // Null if there is no such mapping, or no longer. Who wants it for longer than one call copies the pointer.
    const std::shared_ptr<MappedRange>& find(uint32_t id) const;
    void remove(uint32_t id) { entries_.erase(id); }

  private:
    std::unordered_map<uint32_t, std::shared_ptr<MappedRange>> entries_;
    uint32_t lastId_ = 0;
};

}  // namespace daxkind
