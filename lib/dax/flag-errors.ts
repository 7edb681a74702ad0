// Says in words why the flags of a file cannot be read or changed. What an errno means here depends on the file.
import { constants as fs, lstatSync } from 'node:fs';
import { attempt } from '../attempt.ts';
import { type SystemError, systemError } from '../errors.ts';
import { readable } from '../format.ts';
import type { TreeFailure } from '../native/syscalls.ts';
import { native } from '../native.ts';
import { exclusionsOf } from './file-report.ts';
import { allowed } from './links/check.ts';
import { phrases } from './links/file.ts';

/** What is known of a file whose flags could not be read or changed. */
interface Evidence {
	inodeFlags: number;
	/** STATX_ATTR_ bits. */
	attributes: bigint;
	/** The owner. */
	uid: number;
	/** Type and permission bits. Undefined where the errno can only be about a file or directory. */
	mode?: number;
	/** Whether even reading the flags is forbidden. No file system forbids that. */
	isRefused?: boolean;
	/** Whether it is on an XFS without checksums, whose inodes have no room for the flag. */
	isOldXfs?: boolean;
}

const noFlag = 'this file system has no per-file DAX flag; ext4 and XFS have one';

function whyNotPermitted({ attributes, uid, isRefused }: Evidence): string {
	const { STATX_ATTR_IMMUTABLE, STATX_ATTR_APPEND } = native.constants;
	if (isRefused) return allowed('ioctl (FS_IOC_FSGETXATTR and FS_IOC_FSSETXATTR)');
	const user = process.geteuid?.();
	const foreign = `only its owner, user ${uid}, and a process with CAP_FOWNER may change the flags of a file`;
	if (user !== uid && user !== 0) return foreign;
	if ((attributes & STATX_ATTR_IMMUTABLE) !== 0n) return 'it is immutable, and so are its flags; use chattr -i first';
	if ((attributes & STATX_ATTR_APPEND) !== 0n) return 'it is append-only; use chattr -a first';
	return user === uid ? 'the kernel, or a sandbox, lets nobody change the flags of this file' : foreign;
}

function whyNotSupported({ attributes, inodeFlags }: Evidence): string {
	const exclusions = exclusionsOf({ fsType: '', superOptions: [] }, attributes, inodeFlags, []);
	return exclusions.length === 0
		? noFlag
		: `it has ${exclusions.map((name) => phrases[name]).join(' and ')}, which excludes DAX and its flag`;
}

function whyNoFlags({ mode = fs.S_IFREG }: Evidence): string {
	const type = mode & fs.S_IFMT;
	return type === fs.S_IFREG || type === fs.S_IFDIR
		? noFlag
		: 'it is neither a file nor a directory, and only they have a DAX flag';
}

const reasons: Readonly<Record<string, (evidence: Evidence) => string>> = {
	EACCES: () => 'this user must be allowed to read the file and to search the directories on its path',
	EBUSY: () => 'the file system does not change the flags of a file in such use; close the file everywhere first',
	EINVAL: ({ isOldXfs }) =>
		isOldXfs
			? 'this XFS was made without checksums (crc=0), and its inodes have no place for the DAX flag; make it again: mkfs.xfs -f -m crc=1'
			: 'the file system does not accept this flag for this file; XFS refuses it for a file that shares blocks with another file: copy it with cp --reflink=never',
	ELOOP: () => 'a symbolic link has no flags; name the file that it points to',
	ENOKEY: () => 'it is encrypted, and the kernel does not have its key; an encrypted file has no DAX anyway',
	ENOTSUP: whyNotSupported,
	ENOTTY: whyNoFlags,
	EPERM: whyNotPermitted,
	EROFS: () => 'the file system, or this mount of it, is read-only',
};

/** What the status of the path says. Links are not followed. What cannot be seen is treated as if it were not there. */
function evidenceOf(path: string): Evidence {
	const { value: link } = attempt(() => lstatSync(path));
	const isReachable = link !== undefined && !link.isSymbolicLink();
	const status = isReachable ? attempt(() => native.statx(path)).value : undefined;
	const fileSystem = isReachable ? attempt(() => native.statfs(path)).value : undefined;
	const c = native.constants;
	return {
		inodeFlags: attempt(() => native.getInodeFlags(path)).value ?? 0,
		attributes: status?.attributes ?? 0n,
		uid: status?.uid ?? 0,
		...(link && { mode: link.mode }),
		isRefused: attempt(() => native.getFsxattr(path)).error === 'EPERM',
		// Only an XFS with checksums has a time of birth of files: it is in the part of the inode that checksums brought,
		// beside the flag.
		isOldXfs:
			fileSystem?.type === c.XFS_SUPER_MAGIC &&
			status?.refusal === undefined &&
			status !== undefined &&
			(status.mask & c.STATX_BTIME) === 0,
	};
}

/**
 * Makes a call that reads or changes a file's flags. If it throws a system error, that error says the reason in words.
 */
export function withReason<T>(path: string, call: () => T): T {
	try {
		return call();
	} catch (error) {
		throw reasoned(path, error);
	}
}

/** The error with its reason, if it is a system error whose reason is known. */
export function reasoned(path: string, error: unknown): unknown {
	const { errno, code, syscall } = (error ?? {}) as SystemError;
	const reason = syscall === undefined ? undefined : reasons[code]?.(evidenceOf(path));
	return reason === undefined ? error : systemError(errno, syscall, path, reason);
}

/**
 * Makes the errors for what failed in a tree. They have no stacks, because there may be a million of them and all of
 * them are made here.
 */
export function treeErrors(top: string, failures: readonly TreeFailure[]): SystemError[] {
	const { stackTraceLimit } = Error;
	Error.stackTraceLimit = 0;
	try {
		return failures.map((failure) => {
			const { path, errno, syscall } = failure;
			const full = path.length === 0 ? top : `${top.replace(/\/+$/, '')}/${readable(path)}`;
			const plain = systemError(errno, syscall, full);
			const reason = reasons[plain.code]?.(failure);
			return reason === undefined ? plain : systemError(errno, syscall, full, reason);
		});
	} finally {
		Error.stackTraceLimit = stackTraceLimit;
	}
}
