#include "region/loss_cause.h"

#include <unistd.h>

#include <vector>

#include "syscalls/fiemap.h"
#include "syscalls/statx.h"

namespace daxkind {

LossCause lossCauseInFile(int fd, const guard::Part& part) {
    if (part.isPoisoned) return LossCause::kMedia;
    syscalls::FileStatus status;
    if (syscalls::statxDescriptor(fd, &status) != 0) return LossCause::kUnknown;
    if (status.size <= part.offset) return LossCause::kTruncated;
    // If the file has blocks there, it is the medium. If it has none, the file system has no room for them.
    std::vector<syscalls::Extent> extents;
    const uint64_t end = part.offset + part.length;
    const int error = syscalls::readAllExtents(fd, part.offset, end, &extents);
    if (error == 0) return extents.empty() ? LossCause::kNoSpace : LossCause::kMedia;
    const off_t data = lseek(fd, static_cast<off_t>(part.offset), SEEK_DATA);
    return data >= 0 && static_cast<uint64_t>(data) < end ? LossCause::kMedia : LossCause::kNoSpace;
}

}  // namespace daxkind
