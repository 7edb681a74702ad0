// The constants of statx, from linux/stat.h, and those that older headers lack (see kernel.h). They are not in
// kernel.h, because linux/stat.h cannot stand beside sys/stat.h with every C library.
#pragma once

#include <linux/stat.h>

// Whether this header's struct statx has the two fields, which came with 5.8 and 6.1.
#ifdef STATX_MNT_ID
#define DAXKIND_STATX_HAS_MOUNT_ID
#else
#define STATX_MNT_ID 0x00001000U
#endif
#ifdef STATX_DIOALIGN
#define DAXKIND_STATX_HAS_DIRECT_IO
#else
#define STATX_DIOALIGN 0x00002000U
#endif

// 5.5, 5.8, 5.8.
#ifndef STATX_ATTR_VERITY
#define STATX_ATTR_VERITY 0x00100000
#endif
#ifndef STATX_ATTR_MOUNT_ROOT
#define STATX_ATTR_MOUNT_ROOT 0x00002000
#endif
#ifndef STATX_ATTR_DAX
#define STATX_ATTR_DAX 0x00200000
#endif
