// The cache of kernels and initramfs images, outside every project. An entry is made under another name and then
// renamed into place. So nobody ever sees a half-made entry, and two VMs that start together on an empty cache do no
// harm: they only do the same work twice.
import { createHash, randomBytes } from 'node:crypto';
import { accessSync, chmodSync, mkdirSync, readdirSync, realpathSync, renameSync, rmSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { daxkindError } from '../errors.ts';

/** `$XDG_CACHE_HOME/daxkind`, or `~/.cache/daxkind` if that is unset or relative (XDG Base Directory Specification). */
export function cacheDirectory(env: NodeJS.ProcessEnv = process.env, home: string = homedir()): string {
	const base = env.XDG_CACHE_HOME;
	return join(base !== undefined && isAbsolute(base) ? base : join(home, '.cache'), 'daxkind');
}

/** A short name that depends on everything an entry is made from. */
export function cacheKey(...inputs: readonly (string | Uint8Array)[]): string {
	const hash = createHash('sha256');
	for (const input of inputs) hash.update(`${input.length}:`).update(input);
	return hash.digest('hex').slice(0, 24);
}

const exists = (path: string): boolean => {
	try {
		accessSync(path);
		return true;
	} catch {
		return false;
	}
};

/**
 * mkdir -p, with permissions for this user only. That of node:fs never ends where no directory can be made, as in
 * /proc.
 */
export function makeDirectories(path: string): void {
	if (exists(path)) return;
	makeDirectories(dirname(path));
	try {
		mkdirSync(path, 0o700);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
	}
}

const othersWrite = 0o002;
const groupWrites = 0o020;
/**
 * The owner of files whose real owner this user namespace does not know, such as `/` in a namespace:
 * /proc/sys/fs/overflowuid.
 */
const unmappedUser = 65_534;

/**
 * Refuses a path in the cache that other users made, or could change or replace. This user boots what is there, with a
 * view of all this user's files. Without the check, root with somebody else's home would boot whatever that other user
 * likes.
 *
 * @returns The path without symbolic links.
 * @throws ERR_DAXKIND_VM_CACHE
 */
function requireOwn(path: string): string {
	const cache = realpathSync(cacheDirectory());
	const real = realpathSync(path);
	const refuse = (what: string) => {
		throw daxkindError('ERR_DAXKIND_VM_CACHE', `the kernel in the cache ${cache} is not safe to boot: ${what}`);
	};
	for (let at = real; ; at = dirname(at)) {
		const { uid, gid, mode } = statSync(at);
		const isInside = `${at}/`.startsWith(`${cache}/`);
		if (uid !== process.geteuid?.() && uid !== 0 && (isInside || uid !== unmappedUser)) {
			refuse(`${at} belongs to the user ${uid}. Fix: set XDG_CACHE_HOME to a directory of your own`);
		}
		// In most distributions, a group with the same number as the user has no other member.
		if (isInside && (mode & othersWrite || (mode & groupWrites && gid !== uid))) {
			refuse(`others may write to ${at}. Fix: remove it; the VM makes what it needs again`);
		}
		if (at === '/') return real;
	}
}

/** A draft older than this was left by a process that was killed: nothing takes this long to make. */
const STALE_MS = 3600 * 1000;

function removeStaleDrafts(directory: string): void {
	for (const name of readdirSync(directory)) {
		if (!name.startsWith('.')) continue;
		const path = join(directory, name);
		const { mtimeMs } = statSync(path, { throwIfNoEntry: false }) ?? { mtimeMs: Date.now() };
		if (Date.now() - mtimeMs > STALE_MS) rmSync(path, { recursive: true, force: true });
	}
}

/**
 * Returns the path of a cache entry. Makes the entry first if it is not there.
 *
 * @throws ERR_DAXKIND_VM_CACHE if users other than this one and root could have made or changed it.
 * @param name The entry's path below the cache directory.
 * @param make Makes the entry, a file or a directory, at the given path. That path is in the same directory.
 */
export async function cached(name: string, make: (path: string) => Promise<void> | void): Promise<string> {
	const path = join(cacheDirectory(), name);
	if (exists(path)) return requireOwn(path);
	makeDirectories(dirname(path));
	requireOwn(dirname(path));
	removeStaleDrafts(dirname(path));
	const draft = join(dirname(path), `.${basename(path)}.${process.pid}.${randomBytes(4).toString('hex')}`);
	try {
		await make(draft);
		// Others may not write to it, whatever the umask says: `requireOwn` would refuse it.
		chmodSync(draft, statSync(draft).mode & ~(othersWrite | groupWrites));
		renameSync(draft, path);
	} catch (error) {
		rmSync(draft, { recursive: true, force: true });
		// Another process was quicker: a directory cannot be renamed onto a full one. Its entry is as good.
		const { code } = error as NodeJS.ErrnoException;
		if ((code === 'ENOTEMPTY' || code === 'EEXIST') && exists(path)) return requireOwn(path);
		throw error;
	}
	return requireOwn(path);
}
