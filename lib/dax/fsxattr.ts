// A file's extended flags for callers.
import { requirePath } from '../arguments.ts';
import type { Fsxattr } from '../native/syscalls.ts';
import { native } from '../native.ts';
import { withReason } from './flag-errors.ts';

/**
 * Reads the extended flags of a file or directory (FS_IOC_FSGETXATTR), as `xfs_io -c lsattr` does. Test `flags` against
 * the FS_XFLAG_ bits of {@link daxConstants}. FS_XFLAG_DAX on a directory means that what is made in it gets the flag.
 *
 * @param path A file or directory; the last component may not be a symbolic link (ELOOP).
 * @throws SystemError of `open` or `ioctl`: ENOTTY, ENOTSUP where there are no such flags.
 * @example
 * const { flags, projectId } = getFsxattr('/mnt/pmem/data');
 */
export function getFsxattr(path: string | URL): Fsxattr {
	const checked = requirePath('path', path);
	return withReason(checked, () => native.getFsxattr(checked));
}
