// A region in a nameless file of a directory: the memory of a pmem kind. It is one shared mapping, made once and
// aligned to 2 MiB. commit() is fallocate, and decommit() punches a hole. So a full file system is an error and never
// SIGBUS.
//
// open() and retire() belong to one thread. Between them any thread may call, for ranges that do not overlap.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "media/bad_blocks.h"
#include "region/address_range.h"
#include "region/region.h"
#include "syscalls/mapping.h"
#include "syscalls/statx.h"

namespace daxkind {

struct PmemFileOptions {
    const char* directory = nullptr;
    // Bytes, a multiple of 2 MiB. 0: as much as the file system, or the quota of the directory, has in all, used or
    // not. memkind's unlimited kinds do the same.
    uint64_t capacity = 0;
    // MAP_SHARED_VALIDATE|MAP_SYNC instead of MAP_SHARED.
    bool sync = false;
};

class PmemFileRegion final : public Region {
  public:
    PmemFileRegion() = default;
    PmemFileRegion(const PmemFileRegion&) = delete;
    PmemFileRegion& operator=(const PmemFileRegion&) = delete;
    ~PmemFileRegion() override;

    // 0, or -errno with the system call that failed: then nothing is left behind.
    int open(const PmemFileOptions& options, const char** failedCall);

    char* base() const override { return range_.base(); }
    uint64_t capacity() const override { return range_.length(); }
    int commit(uint64_t offset, uint64_t length) override;
    int decommit(uint64_t offset, uint64_t length) override;
    int populate(uint64_t offset, uint64_t length) override;
    void show(uint64_t offset, uint64_t length) override { range_.show(offset, length); }
    guard::Watch* watch() override { return &range_.watch(); }
    std::vector<guard::Part> knownBad(uint64_t offset, uint64_t length) override;
    LossCause lossCause(const guard::Part& part) const override;
    int64_t resident() const override;
    // Also closes the file, and unmaps what was not shown.
    void retire() override;

    // What statx said of the file when the region was made: which device and mount it is on.
    const syscalls::FileStatus& status() const { return status_; }
    // Bytes that the file system, or the quota of the directory, had in all when the region was made. 0 if it does not
    // say.
    uint64_t room() const { return room_; }
    // Whether the file is on DAX, as statx says. If statx does not say, it is true where MAP_SYNC is accepted, which
    // proves it. A refusal proves nothing: then there is no value.
    std::optional<bool> dax() const { return dax_; }

  private:
    // Keeps the mapping out of forked processes, and large folios out of the page cache. 0 or -errno of madvise.
    static int adviseMapping(void* at, uint64_t length);
    // Maps the file again where pages of it have been lost. 0 or -errno of mmap or madvise.
    int mapAgain(uint64_t offset, uint64_t length);
    int map(const PmemFileOptions& options, const char** failedCall);
    // Calls fallocate. -EOPNOTSUPP if the file system has none, or if a pinned page keeps it from ending.
    int reserve(uint64_t offset, uint64_t length);

    int fd_ = -1;
    AddressRange range_;
    syscalls::MapOptions mapOptions_;
    media::BadBlocks badBlocks_;  // The bad blocks of the device, if the file is on DAX.
    uint64_t room_ = 0;
    std::atomic<uint64_t> committedEnd_{0};  // Nothing behind it has ever been committed.
    std::atomic<int64_t> pinnedUntil_{0};    // Ticks of the steady clock. Until then no fallocate is tried.
    syscalls::FileStatus status_{};
    std::optional<bool> dax_;
};

}  // namespace daxkind
