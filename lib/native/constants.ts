// The kernel's constants and this machine's sizes. The addon has them from the kernel's headers and the processor.

type AttributeBits =
	`STATX_ATTR_${'COMPRESSED' | 'IMMUTABLE' | 'APPEND' | 'NODUMP' | 'ENCRYPTED' | 'AUTOMOUNT' | 'MOUNT_ROOT' | 'VERITY' | 'DAX'}`;
type FieldBits = `STATX_${'BASIC_STATS' | 'BTIME' | 'MNT_ID' | 'DIOALIGN'}`;
type FlagBits =
	`FS_XFLAG_${'REALTIME' | 'PREALLOC' | 'IMMUTABLE' | 'APPEND' | 'SYNC' | 'NOATIME' | 'NODUMP' | 'RTINHERIT' | 'PROJINHERIT' | 'NOSYMLINKS' | 'EXTSIZE' | 'EXTSZINHERIT' | 'NODEFRAG' | 'FILESTREAM' | 'DAX' | 'COWEXTSIZE' | 'HASATTR'}`;
type InodeFlagBits =
	`FS_${'COMPR' | 'SYNC' | 'IMMUTABLE' | 'APPEND' | 'NODUMP' | 'NOATIME' | 'ENCRYPT' | 'INDEX' | 'JOURNAL_DATA' | 'EXTENT' | 'VERITY' | 'NOCOW' | 'DAX' | 'INLINE_DATA' | 'PROJINHERIT'}_FL`;
type ExtentBits = `FIEMAP_EXTENT_${'UNKNOWN' | 'ENCODED' | 'DATA_INLINE' | 'DATA_TAIL' | 'SHARED' | 'UNWRITTEN'}`;
type MagicNumbers =
	| `${'EXT4' | 'XFS' | 'FUSE' | 'OVERLAYFS' | 'BTRFS'}_SUPER_MAGIC`
	| 'EROFS_SUPER_MAGIC_V1'
	| 'TMPFS_MAGIC'
	| 'HUGETLBFS_MAGIC';

/**
 * The bits of the masks that callers get, by their names in the kernel's headers. The STATX_ATTR_ bits are BigInts,
 * because they belong to a 64-bit mask.
 */
export type DaxConstants = Readonly<
	Record<AttributeBits, bigint> & Record<FieldBits | FlagBits | InodeFlagBits | ExtentBits, number>
>;

/**
 * Those bits, the magic numbers, and this machine's sizes: bytes per page, bytes that one PMD entry maps, bytes per
 * cache line.
 */
export type Constants = DaxConstants &
	Readonly<Record<MagicNumbers | 'PAGE_SIZE' | 'HUGE_PAGE_SIZE' | 'CACHE_LINE_SIZE', number>>;
