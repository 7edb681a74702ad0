// The persistent DAX flag of files and directories, and whether it is in effect.
import { requireBoolean, requireOptions, requirePath } from '../arguments.ts';
import { attempt } from '../attempt.ts';
import type { SystemError } from '../errors.ts';
import { checkJobOptions, finish, type WatchableOptions } from '../jobs.ts';
import { mountOf, readMounts } from '../mounts.ts';
import type { StatxResult, TreeChange } from '../native/syscalls.ts';
import { native } from '../native.ts';
import { exclusionsOf, hasDaxFlag, typeOf } from './file-report.ts';
import { reasoned, treeErrors, withReason } from './flag-errors.ts';
import { inspect } from './inspect.ts';
import { mountReport } from './mount-report.ts';

/** The persistent flag, and whether it is in effect. */
export interface DaxFlag {
	/** FS_XFLAG_DAX. On a directory it means that what is made in it gets the flag. */
	flag: boolean;
	/**
	 * Whether the file is on DAX now. For a directory: whether a file that is made in it is. Undefined where that is not
	 * known, and for a directory in which no file can be made.
	 */
	effective: boolean | undefined;
	/**
	 * Whether the state will follow the flag when nobody has the file open any more: the two differ, and the flag decides
	 * here. Always false for directories, whose flag is about files that are made later.
	 */
	pending: boolean;
}

/** The result of setting the flag of a tree. */
export interface DaxFlagTree extends DaxFlag {
	/** How many files and directories were reached, the one at the path included. */
	files: number;
	directories: number;
	/** How many of them had the wrong flag, and were changed. */
	changed: number;
	/** One error for each file or directory that could not be read or changed. The others were changed all the same. */
	failures: SystemError[];
}

export interface SetDaxFlagOptions {
	/**
	 * Change also all files and directories below a directory, on the same mount. A directory is changed before its
	 * entries, so that what is made in it meanwhile inherits the flag. Symbolic links are not followed. What is neither a
	 * file nor a directory is left alone. Default false.
	 */
	recursive?: boolean;
}

/** How far the change of a tree has come. */
export interface DaxFlagProgress {
	files: number;
	directories: number;
	changed: number;
	failed: number;
}

export interface SetDaxFlagAsyncOptions extends SetDaxFlagOptions, WatchableOptions<DaxFlagProgress> {}

/**
 * Whether the file's state follows its flag: the mount obeys the flag, and nothing in the medium or the file excludes
 * DAX.
 */
function flagDecides(path: string, status: StatxResult): boolean {
	const { value: mounts = [] } = attempt(readMounts);
	const mount = mountOf(status, mounts);
	if (mount === undefined) return false;
	const report = mountReport(mount, path, status, mounts).mount;
	const { mode, effectiveMode, byFlag } = report;
	if (mode !== 'inode' || effectiveMode === 'unsupported' || !byFlag) return false;
	const inodeFlags = attempt(() => native.getInodeFlags(path)).value ?? 0;
	return exclusionsOf(report, status.attributes, inodeFlags, []).length === 0;
}

function stateOf(path: string, flag: boolean): DaxFlag {
	const status = native.statx(path);
	if (typeOf(status) === 'directory') {
		const { value: made } = attempt(() => native.statxTemporary(path));
		return { flag, effective: made && (made.dax ?? inspect(path).dax), pending: false };
	}
	const effective = status.dax ?? inspect(path).dax;
	return { flag, effective, pending: effective !== undefined && flag !== effective && flagDecides(path, status) };
}

/**
 * Reads the persistent DAX flag of a file or directory (FS_IOC_FSGETXATTR), and whether it is in effect (statx). In a
 * directory it makes a nameless file for a moment to see.
 *
 * @param path A file or directory; the last component may not be a symbolic link (ELOOP).
 * @throws SystemError of `open` or `ioctl`: ENOTTY where there is no such flag, EACCES if the file cannot be read.
 * @example
 * const { flag, effective, pending } = getDaxFlag('/mnt/pmem/data');
 */
export function getDaxFlag(path: string | URL): DaxFlag {
	const checked = requirePath('path', path);
	return stateOf(checked, hasDaxFlag(withReason(checked, () => native.getFsxattr(checked))));
}

function maskOf(on: unknown): [set: number, clear: number] {
	const { FS_XFLAG_DAX } = native.constants;
	return requireBoolean('on', on) ? [FS_XFLAG_DAX, 0] : [0, FS_XFLAG_DAX];
}

function treeOf(path: string, { failures, ...counts }: TreeChange): DaxFlagTree {
	return { ...getDaxFlag(path), ...counts, failures: treeErrors(path, failures) };
}

function requireRecursive({ recursive = false }: SetDaxFlagOptions): boolean {
	return requireBoolean('options.recursive', recursive);
}

/**
 * Sets or clears the persistent DAX flag of a file or directory (FS_IOC_FSSETXATTR with FS_XFLAG_DAX), as
 * `xfs_io -c 'chattr +x'` does. It keeps all other flags.
 *
 * The flag decides only on ext4 and XFS that are mounted with dax=inode, their default, on a device that can do DAX. On
 * other mounts of ext4 and XFS it can be set, too, but does not decide. A file changes its state only when nobody has
 * it open or mapped any more: see `pending` and {@link whenEffectiveAsync}. No data are lost by that. On a directory,
 * the flag is inherited by what is made there from now on.
 *
 * With `recursive` the call blocks the thread until the whole tree is done, which is long for many files;
 * {@link setDaxFlagAsync} does not block. A failure below the path is reported in `failures`, and the other files are
 * changed all the same. A failure at the path itself is reported there, too, if it says nothing about what is below, as
 * EPERM does.
 *
 * @param path A file or directory that you own; the last component may not be a symbolic link (ELOOP).
 * @param on Whether the flag is to be set.
 * @throws SystemError of `open` or `ioctl`: EPERM for a file of another user and for an immutable one, EROFS, ENOTTY or
 * ENOTSUP where there is no such flag, ENOTSUP where the file has something that excludes DAX (ext4: inline data, data
 * journalling, encryption, fs-verity), EINVAL on an XFS without checksums.
 * @example
 * const { pending } = setDaxFlag('/mnt/pmem/table', true);
 * const { changed, failures } = setDaxFlag('/mnt/pmem/tables', true, { recursive: true });
 */
export function setDaxFlag(
	path: string | URL,
	on: boolean,
	options: SetDaxFlagOptions & { recursive: true },
): DaxFlagTree;
export function setDaxFlag(path: string | URL, on: boolean, options?: SetDaxFlagOptions): DaxFlag;
export function setDaxFlag(path: string | URL, on: boolean, options?: SetDaxFlagOptions): DaxFlag {
	const checked = requirePath('path', path);
	const mask = maskOf(on);
	if (requireRecursive(requireOptions<SetDaxFlagOptions>('options', options, ['recursive']))) {
		return treeOf(
			checked,
			withReason(checked, () => native.changeFsxattrTree(checked, ...mask, true)),
		);
	}
	return stateOf(checked, hasDaxFlag(withReason(checked, () => native.changeFsxattrFlags(checked, ...mask))));
}

const progressOf = ([, files, directories, changed, failed]: Float64Array): DaxFlagProgress => ({
	files: files!,
	directories: directories!,
	changed: changed!,
	failed: failed!,
});

/**
 * Does what {@link setDaxFlag} does, on a thread of its own, so the event loop goes on. It has the same errors, and
 * EAGAIN of `pthread_create` if the system has no thread to give. `signal` aborts it; the thread looks at the signal
 * every few hundred files. Then the promise is rejected with the signal's reason, and what was changed by then stays
 * changed. `process.exit()` and the end of a worker abort it, too, and do not wait for it.
 *
 * @example
 * const { failures } = await setDaxFlagAsync('/mnt/pmem', true, {
 *   recursive: true,
 *   signal: AbortSignal.timeout(60_000),
 *   onProgress: ({ files, changed }) => console.log(`${changed} of ${files} changed`),
 * });
 */
export async function setDaxFlagAsync(
	path: string | URL,
	on: boolean,
	options?: SetDaxFlagAsyncOptions,
): Promise<DaxFlagTree> {
	const checked = requirePath('path', path);
	const mask = maskOf(on);
	const given = checkJobOptions(options, ['recursive', 'signal', 'onProgress']);
	const recursive = requireRecursive(options ?? {});
	const start = () => native.changeFsxattrTreeAsync(checked, ...mask, recursive);
	const change = await finish(start, given, { progressOf }).catch((error) => {
		throw reasoned(checked, error);
	});
	return treeOf(checked, change);
}
