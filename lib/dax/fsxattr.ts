// A file's extended flags for callers: the persistent DAX flag among them.
import { requireBoolean, requirePath } from '../arguments.ts';
import { type SystemError, systemError } from '../errors.ts';
import { type Fsxattr, native } from '../native.ts';

const hints: Readonly<Record<string, string>> = {
	ENOTTY: 'this file or file system has no extended flags; ext4 and XFS files and directories have them',
	ENOTSUP: 'this file or file system does not take the DAX flag; ext4 and XFS do, but for encrypted and inline files',
	EPERM: 'only the owner of a file may change its flags',
	ELOOP: 'a symbolic link has no flags; name the file it stands for',
};

function withHint<T>(call: () => T): T {
	try {
		return call();
	} catch (error) {
		const { errno, code, syscall, path } = error as SystemError;
		const hint = hints[code];
		throw hint === undefined || syscall === undefined ? error : systemError(errno, syscall, path, hint);
	}
}

/**
 * Reads a file's or directory's extended flags (FS_IOC_FSGETXATTR), as `xfs_io -c lsattr` does. Test `flags` against the FS_XFLAG_
 * constants of the kernel; FS_XFLAG_DAX on a directory means that what is made in it gets the flag.
 *
 * @param path A file or directory; the last component may not be a symbolic link (ELOOP).
 * @throws SystemError of `open` or `ioctl`: ENOTTY, ENOTSUP where there are no such flags.
 * @example
 * const { flags, projectId } = getFsxattr('/mnt/pmem/data');
 */
export function getFsxattr(path: string | URL): Fsxattr {
	const checked = requirePath('path', path);
	return withHint(() => native.getFsxattr(checked));
}

/**
 * Sets or clears the persistent DAX flag of a file or directory (FS_IOC_FSSETXATTR with FS_XFLAG_DAX) and keeps all other flags, as
 * `xfs_io -c 'chattr +x'` does. Only on file systems mounted with dax=inode, the default, does the flag decide; and a file changes its
 * state only when nobody has it open any more. On a directory it is for the files made there from now on.
 *
 * @param path A file or directory that you own; the last component may not be a symbolic link (ELOOP).
 * @param enabled Whether the flag is to be set.
 * @returns The flags after the change.
 * @throws SystemError of `open` or `ioctl`: EPERM for another's file, EROFS, ENOTSUP where the flag cannot be.
 * @example
 * setDaxFlag('/mnt/pmem/tables', true);
 */
export function setDaxFlag(path: string | URL, enabled: boolean): Fsxattr {
	const checked = requirePath('path', path);
	const { FS_XFLAG_DAX } = native.constants;
	const [set, clear] = requireBoolean('enabled', enabled) ? [FS_XFLAG_DAX, 0] : [0, FS_XFLAG_DAX];
	return withHint(() => native.changeFsxattrFlags(checked, set, clear));
}
