// The programs and libraries of a guest whose processor cannot run this machine's: Debian's or Ubuntu's packages, unpacked into a tree that
// lies over this machine's files in the guest.
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

/** What `daxkind vm` itself runs, what Node needs, and what a shell script expects of any system. apt adds what these need. */
const packages = [
	'busybox-static',
	...['bash', 'coreutils', 'dash', 'diffutils', 'findutils', 'grep', 'gzip', 'hostname', 'mawk', 'ncurses-bin'],
	...['bsdutils', 'procps', 'sed', 'tar', 'util-linux', 'mount', 'kmod'],
	...['e2fsprogs', 'xfsprogs', 'erofs-utils'],
	...['libatomic1', 'libstdc++6'],
];

/** The directories that have been links to those below usr since the distributions merged them. */
const merged = ['bin', 'lib', 'sbin'];

/** Names that Debian makes when it installs a package, by its alternatives. */
const alternatives = { awk: 'mawk' };

/** Moves what is in a directory into another, which may have directories of the same names. */
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
 * Leaves of an unpacked system what is not specific to a machine: usr, with all of it merged. What a person's programs are configured with
 * (etc, var) stays this machine's.
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
	// It becomes the guest's root directory, for all its users.
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
