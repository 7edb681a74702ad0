// The programs and libraries of a guest whose processor cannot run this machine's. They are packages of Debian or
// Ubuntu, unpacked into a tree that is laid over this machine's files in the guest.
import {
	chmodSync,
	existsSync,
	lstatSync,
	mkdirSync,
	readdirSync,
	renameSync,
	rmdirSync,
	rmSync,
	symlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { type Apt, unpackWithDependencies } from './apt.ts';

/**
 * Programs that `daxkind vm` itself runs, libraries that Node needs, and programs that a shell script expects on any
 * system. apt adds what these depend on.
 */
const packages = [
	'busybox-static',
	...['bash', 'coreutils', 'dash', 'diffutils', 'findutils', 'grep', 'gzip', 'hostname', 'mawk', 'ncurses-bin'],
	...['bsdutils', 'procps', 'sed', 'tar', 'util-linux', 'mount', 'kmod'],
	...['e2fsprogs', 'xfsprogs', 'erofs-utils'],
	...['libatomic1', 'libstdc++6'],
];

/** Directories that are links to those below usr, since the distributions merged them. */
const merged = ['bin', 'lib', 'sbin'];

/** Names that Debian makes when it installs a package, with its alternatives system. */
const alternatives = { awk: 'mawk' };

/** Moves the contents of a directory into another one, which may have directories of the same names. */
function merge(from: string, into: string): void {
	mkdirSync(into, { recursive: true });
	for (const entry of readdirSync(from, { withFileTypes: true })) {
		const [source, target] = [join(from, entry.name), join(into, entry.name)];
		if (entry.isDirectory() && existsSync(target)) merge(source, target);
		else renameSync(source, target);
	}
	rmdirSync(from);
}

/**
 * Reduces an unpacked system to what does not depend on a machine: usr, with bin, lib and sbin merged into it. The
 * configuration of programs (etc, var) stays this machine's.
 */
export function keepPrograms(tree: string): void {
	for (const name of merged) {
		const path = join(tree, name);
		if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory()) merge(path, join(tree, 'usr', name));
	}
	for (const name of readdirSync(tree)) if (name !== 'usr') rmSync(join(tree, name), { recursive: true });
	for (const name of ['share/doc', 'share/man', 'share/locale']) {
		rmSync(join(tree, 'usr', name), { recursive: true, force: true });
	}
	for (const name of merged) symlinkSync(`usr/${name}`, join(tree, name));
	for (const [name, target] of Object.entries(alternatives)) {
		const path = join(tree, 'usr/bin', name);
		if (!existsSync(path)) symlinkSync(target, path);
	}
	// The tree becomes the guest's root directory, which all its users must be able to read.
	chmodSync(tree, 0o755);
}

/** Downloads the userland and unpacks it into `directory`/userland. */
export async function unpackUserland(
	directory: string,
	run: { apt: Apt; failed: (why: string) => Error; signal: AbortSignal | undefined },
): Promise<void> {
	const tree = join(directory, 'userland');
	const downloaded = join(directory, 'packages');
	mkdirSync(tree, { recursive: true });
	await unpackWithDependencies(packages, downloaded, tree, run);
	rmSync(downloaded, { recursive: true });
	keepPrograms(tree);
}
