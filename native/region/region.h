// Where a heap's memory comes from: one reserved address range whose parts are committed (backed by real storage) and
// decommitted. A heap knows only this interface. It knows no file, no device and no NUMA node.
//
// Calls may come from any thread. Several threads may call at the same time for ranges that do not overlap. Offsets are
// bytes from base(). Offsets and lengths are multiples of kCommitGranule, but a range may end at capacity().
#pragma once

#include <cerrno>
#include <cstdint>
#include <vector>

#include "guard/watch.h"
#include "syscalls/sizes.h"

namespace daxkind {

// The smallest part of a region that is committed or given back: 64 KiB is a multiple of the page size of every
// x86-64 and arm64 kernel (4, 16 or 64 KiB).
constexpr uint64_t kCommitGranule = 64 * kKiB;

// Whether an error of commit() says that the file system has no room.
inline bool isOutOfRoom(int error) {
    return error == -ENOSPC || error == -EDQUOT;
}

// How many bytes of a region are on which NUMA node.
struct NodeUse {
    int node;
    uint64_t bytes;
};

// Why a page was lost.
enum class LossCause {
    kMedia,      // The medium is bad there.
    kTruncated,  // The file has become shorter.
    kNoSpace,    // The file has a hole there, and its file system has no room.
    kRemoved,    // The device is gone.
    kUnknown,
};

class Region {
  public:
    virtual ~Region() = default;

    // First byte of the reserved range. Aligned to 2 MiB, so that the kernel can map huge pages; a fixed region is
    // where its mapping is, aligned to a page at least.
    virtual char* base() const = 0;
    // Length of the range in bytes.
    virtual uint64_t capacity() const = 0;
    // Whether the range has to be committed at all. If not, all of it has storage from the start and for good, and the
    // heap calls neither commit(), knownBad() nor decommit().
    virtual bool isElastic() const { return true; }
    // Storage goes back in aligned parts of this many bytes, at most the heap's kChunkSize.
    virtual uint64_t decommitUnit() const { return kCommitGranule; }
    // 0, or -ENOSPC if this many bytes more could not be committed at this moment. Only an estimate.
    virtual int foresee(uint64_t bytes) { return 0; }
    // The system call that commit() fails with.
    virtual const char* commitCall() const { return "fallocate"; }
    // Backs [offset, offset + length) with storage, so that touching it cannot fail. The range is not committed yet.
    // 0, or -errno with the range as it was: -ENOSPC and -EDQUOT if the file system has no room.
    virtual int commit(uint64_t offset, uint64_t length) = 0;
    // The parts of a range that are known to be bad, and must not be touched. The range has just been committed.
    virtual std::vector<guard::Part> knownBad(uint64_t offset, uint64_t length) { return {}; }
    // Gives back the storage of a committed range. Its bytes read as zeros afterwards. 0 or -errno.
    virtual int decommit(uint64_t offset, uint64_t length) = 0;
    // Faults a committed range in, so that no first touch waits for a page. 0 or -errno.
    virtual int populate(uint64_t offset, uint64_t length) = 0;
    // Scripts get to see this part. Operations that they start may use its addresses for as long as the region exists.
    // May be called for ranges that overlap.
    virtual void show(uint64_t offset, uint64_t length) {}
    // The watch that guards the region against lost pages. Null if nothing guards it.
    virtual guard::Watch* watch() { return nullptr; }
    // Why a part was lost. The guard has put zeros in its place.
    virtual LossCause lossCause(const guard::Part& part) const {
        return part.isPoisoned ? LossCause::kMedia : LossCause::kUnknown;
    }
    // Bytes of storage that the region really occupies now. -errno if it cannot tell.
    virtual int64_t resident() const = 0;
    // On which NUMA nodes its memory is now, as far as it can tell. An estimate for a large region. 0 or -errno.
    virtual int nodeUses(std::vector<NodeUse>* uses) const { return -EOPNOTSUPP; }
    // Gives everything back. What was shown stays readable and writable until destruction, but with nothing of use in
    // it. Called when nobody allocates from the region any more.
    virtual void retire() = 0;
};

}  // namespace daxkind
