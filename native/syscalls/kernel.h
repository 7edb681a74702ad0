// The kernel's constants, from its own headers. A prebuilt binary is made on an old distribution and runs on any newer
// kernel. What the oldest supported headers lack is added here and nowhere else, from the same files of a later kernel.
#pragma once

#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/mman.h>
#include <sys/mman.h>

// linux/mman.h, asm-generic/mman-common.h: 4.15, 5.14.
#ifndef MAP_SHARED_VALIDATE
#define MAP_SHARED_VALIDATE 0x03
#endif
#ifndef MAP_SYNC
#define MAP_SYNC 0x080000
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

// linux/fs.h: 4.5, 4.15 (FS_XFLAG_COWEXTSIZE came with 4.9).
#ifndef FS_XFLAG_DAX
#define FS_XFLAG_DAX 0x00008000
#endif
#ifndef FS_XFLAG_COWEXTSIZE
#define FS_XFLAG_COWEXTSIZE 0x00010000
#endif
#ifndef FS_XFLAG_HASATTR
#define FS_XFLAG_HASATTR 0x80000000
#endif

// linux/fs.h: 4.5 to 5.8, 5.4 (the bit for verity; ext4 and f2fs have used those of the others for longer).
#ifndef FS_ENCRYPT_FL
#define FS_ENCRYPT_FL 0x00000800
#endif
#ifndef FS_VERITY_FL
#define FS_VERITY_FL 0x00100000
#endif
#ifndef FS_DAX_FL
#define FS_DAX_FL 0x02000000
#endif
#ifndef FS_INLINE_DATA_FL
#define FS_INLINE_DATA_FL 0x10000000
#endif

// linux/magic.h of later kernels; XFS and FUSE publish theirs only in their own sources (fs/xfs/libxfs/xfs_format.h,
// fs/fuse/inode.c), and statfs(2) lists them.
#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif
#ifndef EROFS_SUPER_MAGIC_V1
#define EROFS_SUPER_MAGIC_V1 0xE0F5E1E2
#endif
#ifndef FUSE_SUPER_MAGIC
#define FUSE_SUPER_MAGIC 0x65735546
#endif
