// The cache of kernels and initramfs images, outside every project. Entries are made aside and renamed into place, so that a half-made one
// is never seen and two VMs that start side by side on an empty cache only do the same work twice.
import { createHash, randomBytes } from 'node:crypto';
import { accessSync, chmodSync, mkdirSync, readdirSync, realpathSync, renameSync, rmSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { daxkindError } from '../errors.ts';

/** `$XDG_CACHE_HOME/daxkind`, or `~/.cache/daxkind` where that is unset or relative (XDG Base Directory Specification). */
export function cacheDirectory(env: NodeJS.ProcessEnv = process.env, home: string = homedir()): string {
	const base = env.XDG_CACHE_HOME;
	return join(base !== undefined && isAbsolute(base) ? base : join(home, '.cache'), 'daxkind');
}

/** A short name for what an entry was made from. */
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

/** mkdir -p, for this user only. That of node:fs tries for ever below a directory that can have no other, such as /proc. */
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
/** Who owns what belongs to nobody that this user namespace knows, as `/` in one: /proc/sys/fs/overflowuid. */
const unmappedUser = 65_534;

/**
 * Refuses a path in the cache that others have made, or could change or replace: it is booted, by this user, over this user's view of
 * all files. Root in somebody else's home would boot what that one likes.
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
		// A group with the user's own number is his alone, as most distributions have it.
		if (isInside && (mode & othersWrite || (mode & groupWrites && gid !== uid))) {
			refuse(`others may write to ${at}. Fix: remove it; what is needed is made again`);
		}
		if (at === '/') return real;
	}
}

/** What a killed process left half-made. Nothing takes this long to make. */
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
 * The path of a cache entry, made first if it is not there.
 *
 * @throws ERR_DAXKIND_VM_CACHE if others than this user and root could have made or changed it.
 * @param name The entry's path below the cache directory.
 * @param make Makes the entry, a file or a directory, at the path it is given, in the same directory.
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
		// Whatever the umask: it is refused otherwise.
		chmodSync(draft, statSync(draft).mode & ~(othersWrite | groupWrites));
		renameSync(draft, path);
	} catch (error) {
		rmSync(draft, { recursive: true, force: true });
		// Somebody else was quicker: a directory cannot be renamed onto a full one. Theirs is as good.
		const { code } = error as NodeJS.ErrnoException;
		if ((code === 'ENOTEMPTY' || code === 'EEXIST') && exists(path)) return requireOwn(path);
		throw error;
	}
	return requireOwn(path);
}
