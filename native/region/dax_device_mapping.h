// A part of a device-DAX device that is mapped: opened, locked, mapped, touched at both ends. Who has it takes over the
// addresses, and unmaps them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include "guard/watched.h"
#include "region/region.h"
#include "syscalls/descriptor.h"

namespace daxkind {

struct DaxDeviceOptions {
    const char* path = nullptr;
    // Bytes, multiples of `align`.
    uint64_t offset = 0;
    uint64_t size = 0;
    // The device's alignment in bytes. Offset, length and address of a mapping are multiples of it, and one fault maps
    // this much.
    uint64_t align = 0;
    // Where mmap tries first. Null: where the kernel likes.
    void* hint = nullptr;
};

class DaxDeviceMapping {
  public:
    // Whether others may have the same bytes mapped. Nobody may who wants them alone.
    enum class Use { kAlone, kShared };

    // 0, or -errno with the system call that failed: then nothing is left behind. -EAGAIN of fcntl: a kind or a mapping
    // has some of those bytes. -ENOTSUP of prctl: this process has huge pages disabled, and each fault would be SIGBUS.
    // -EFAULT of madvise: the device has no memory behind these addresses, or has none any more. No child process
    // inherits the addresses.
    int map(const DaxDeviceOptions& options, Use use, const char** failedCall);
    // Closes the device, and lets others have the bytes.
    void release();

    bool isMapped() const { return fd_.isOpen(); }
    char* address() const { return address_; }
    // The numbers of the device's node.
    uint32_t deviceMajor() const { return major_; }
    uint32_t deviceMinor() const { return minor_; }

    // What is on bad blocks that the kernel knows of. `offset` is in bytes of the mapping.
    std::vector<guard::Part> knownBad(uint64_t offset, uint64_t length) const;
    // Why a part of the mapping is lost. The guard's thread may ask while another thread releases the mapping.
    LossCause lossCause(const guard::Part& part) const;

  private:
    // lossCause() and release() use the descriptor on different threads.
    mutable std::mutex mutex_;
    syscalls::Descriptor fd_;
    char* address_ = nullptr;
    uint32_t major_ = 0;
    uint32_t minor_ = 0;
    uint64_t offset_ = 0;
    uint64_t length_ = 0;
    uint64_t align_ = 0;
};

}  // namespace daxkind
