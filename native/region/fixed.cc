#include "region/fixed.h"

#include <algorithm>
#include <mutex>
#include <vector>

#include "syscalls/mapping.h"

namespace daxkind {

namespace {

// The bytes of files that the open fixed kinds of this process have. They are never destroyed, because a thread may
// still run while the process ends.
struct Claims {
    std::mutex mutex;
    std::vector<FileRange> all;
};

Claims& claims() {
    static Claims& claims = *new Claims();
    return claims;
}

}  // namespace

bool FileRange::overlaps(const FileRange& other) const {
    return deviceMajor == other.deviceMajor && deviceMinor == other.deviceMinor && inode == other.inode &&
           from < other.to && other.from < to;
}

std::shared_ptr<FixedRegion> FixedRegion::open(char* base, const FileRange& file, guard::Watch* watch,
                                               std::function<LossCause(const guard::Part&)> causeOf,
                                               std::shared_ptr<std::atomic<int>> users) {
    const std::lock_guard<std::mutex> lock(claims().mutex);
    for (const FileRange& taken : claims().all) {
        if (taken.overlaps(file)) return nullptr;
    }
    claims().all.push_back(file);
    return std::shared_ptr<FixedRegion>(new FixedRegion(base, file, watch, std::move(causeOf), std::move(users)));
}

int FixedRegion::populate(uint64_t offset, uint64_t length) {
    return syscalls::populateWrite(base_ + offset, length);
}

void FixedRegion::retire() {
    {
        const std::lock_guard<std::mutex> lock(claims().mutex);
        std::vector<FileRange>& all = claims().all;
        // No two claims overlap, so exactly one goes.
        all.erase(std::remove_if(all.begin(), all.end(), [&](const FileRange& at) { return at.overlaps(file_); }),
                  all.end());
    }
    --*users_;
}

}  // namespace daxkind
