// The kernel's constants: see constants.h. They have a file of their own, because linux/stat.h cannot stand beside
// sys/stat.h everywhere.
#include "binding/constants.h"

#include <linux/fiemap.h>

#include "persist/cpu.h"
#include "syscalls/kernel.h"
#include "syscalls/mapping.h"
#include "syscalls/sizes.h"
#include "syscalls/statx_constants.h"

namespace daxkind {

Napi::Object kernelConstants(Napi::Env env) {
    Napi::Object constants = Napi::Object::New(env);
    const auto number = [&](const char* name, double value) { constants.Set(name, Napi::Number::New(env, value)); };
    const auto bits = [&](const char* name, uint64_t value) { constants.Set(name, Napi::BigInt::New(env, value)); };

    bits("STATX_ATTR_COMPRESSED", STATX_ATTR_COMPRESSED);
    bits("STATX_ATTR_IMMUTABLE", STATX_ATTR_IMMUTABLE);
    bits("STATX_ATTR_APPEND", STATX_ATTR_APPEND);
    bits("STATX_ATTR_NODUMP", STATX_ATTR_NODUMP);
    bits("STATX_ATTR_ENCRYPTED", STATX_ATTR_ENCRYPTED);
    bits("STATX_ATTR_AUTOMOUNT", STATX_ATTR_AUTOMOUNT);
    bits("STATX_ATTR_MOUNT_ROOT", STATX_ATTR_MOUNT_ROOT);
    bits("STATX_ATTR_VERITY", STATX_ATTR_VERITY);
    bits("STATX_ATTR_DAX", STATX_ATTR_DAX);
    number("STATX_BASIC_STATS", STATX_BASIC_STATS);
    number("STATX_BTIME", STATX_BTIME);
    number("STATX_MNT_ID", STATX_MNT_ID);
    number("STATX_DIOALIGN", STATX_DIOALIGN);

    number("FS_XFLAG_REALTIME", FS_XFLAG_REALTIME);
    number("FS_XFLAG_PREALLOC", FS_XFLAG_PREALLOC);
    number("FS_XFLAG_IMMUTABLE", FS_XFLAG_IMMUTABLE);
    number("FS_XFLAG_APPEND", FS_XFLAG_APPEND);
    number("FS_XFLAG_SYNC", FS_XFLAG_SYNC);
    number("FS_XFLAG_NOATIME", FS_XFLAG_NOATIME);
    number("FS_XFLAG_NODUMP", FS_XFLAG_NODUMP);
    number("FS_XFLAG_RTINHERIT", FS_XFLAG_RTINHERIT);
    number("FS_XFLAG_PROJINHERIT", FS_XFLAG_PROJINHERIT);
    number("FS_XFLAG_NOSYMLINKS", FS_XFLAG_NOSYMLINKS);
    number("FS_XFLAG_EXTSIZE", FS_XFLAG_EXTSIZE);
    number("FS_XFLAG_EXTSZINHERIT", FS_XFLAG_EXTSZINHERIT);
    number("FS_XFLAG_NODEFRAG", FS_XFLAG_NODEFRAG);
    number("FS_XFLAG_FILESTREAM", FS_XFLAG_FILESTREAM);
    number("FS_XFLAG_DAX", FS_XFLAG_DAX);
    number("FS_XFLAG_COWEXTSIZE", FS_XFLAG_COWEXTSIZE);
    number("FS_XFLAG_HASATTR", FS_XFLAG_HASATTR);

    number("FS_COMPR_FL", FS_COMPR_FL);
    number("FS_SYNC_FL", FS_SYNC_FL);
    number("FS_IMMUTABLE_FL", FS_IMMUTABLE_FL);
    number("FS_APPEND_FL", FS_APPEND_FL);
    number("FS_NODUMP_FL", FS_NODUMP_FL);
    number("FS_NOATIME_FL", FS_NOATIME_FL);
    number("FS_ENCRYPT_FL", FS_ENCRYPT_FL);
    number("FS_INDEX_FL", FS_INDEX_FL);
    number("FS_JOURNAL_DATA_FL", FS_JOURNAL_DATA_FL);
    number("FS_EXTENT_FL", FS_EXTENT_FL);
    number("FS_VERITY_FL", FS_VERITY_FL);
    number("FS_NOCOW_FL", FS_NOCOW_FL);
    number("FS_DAX_FL", FS_DAX_FL);
    number("FS_INLINE_DATA_FL", FS_INLINE_DATA_FL);
    number("FS_PROJINHERIT_FL", FS_PROJINHERIT_FL);

    number("FIEMAP_EXTENT_UNKNOWN", FIEMAP_EXTENT_UNKNOWN);
    number("FIEMAP_EXTENT_ENCODED", FIEMAP_EXTENT_ENCODED);
    number("FIEMAP_EXTENT_DATA_INLINE", FIEMAP_EXTENT_DATA_INLINE);
    number("FIEMAP_EXTENT_DATA_TAIL", FIEMAP_EXTENT_DATA_TAIL);
    number("FIEMAP_EXTENT_SHARED", FIEMAP_EXTENT_SHARED);
    number("FIEMAP_EXTENT_UNWRITTEN", FIEMAP_EXTENT_UNWRITTEN);

    number("EXT4_SUPER_MAGIC", EXT4_SUPER_MAGIC);
    number("XFS_SUPER_MAGIC", XFS_SUPER_MAGIC);
    number("EROFS_SUPER_MAGIC_V1", EROFS_SUPER_MAGIC_V1);
    number("FUSE_SUPER_MAGIC", FUSE_SUPER_MAGIC);
    number("TMPFS_MAGIC", TMPFS_MAGIC);
    number("HUGETLBFS_MAGIC", HUGETLBFS_MAGIC);
    number("OVERLAYFS_SUPER_MAGIC", OVERLAYFS_SUPER_MAGIC);
    number("BTRFS_SUPER_MAGIC", BTRFS_SUPER_MAGIC);

    number("PAGE_SIZE", static_cast<double>(syscalls::pageSize()));
    number("HUGE_PAGE_SIZE", static_cast<double>(kHugePageSize));
    number("CACHE_LINE_SIZE", static_cast<double>(persist::cacheLineSize()));
    return constants;
}

}  // namespace daxkind
