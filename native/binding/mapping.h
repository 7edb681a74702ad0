// The mappings of one environment that JavaScript sees as ArrayBuffers. An entry lives from mmap until the
// ArrayBuffer's backing store is finalised, so that no address a script can still reach is ever unmapped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>

namespace daxkind {

class MappingTable {
  public:
    struct Entry {
        void* address;
        std::size_t length;
        /// releaseMapping has put anonymous memory in the file's place.
        bool released = false;
    };

    std::uint32_t add(void* address, std::size_t length);
    /// null if there is no such mapping (any more).
    Entry* find(std::uint32_t id);
    /// Unmaps and forgets it.
    void remove(std::uint32_t id);

  private:
    std::unordered_map<std::uint32_t, Entry> entries;
    std::uint32_t lastId = 0;
};

}  // namespace daxkind
