// Finds the guest's kernel: a file of the user's, or the distribution's package, which is unpacked into the cache and
// not installed.
import {
	accessSync,
	existsSync,
	mkdirSync,
	readdirSync,
	readFileSync,
	realpathSync,
	rmSync,
	symlinkSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { daxkindError, systemError } from '../errors.ts';
import {
	type Apt,
	backportsApt,
	dependencies,
	foreignApt,
	hasApt,
	indexModules,
	nativeApt,
	unpackPackages,
} from './apt.ts';
import type { Architecture } from './architecture.ts';
import { cached } from './cache.ts';
import { isKernel, kernelRelease } from './image.ts';
import { unpackUserland } from './userland.ts';

/** A kernel and its modules on the host. */
export interface Kernel {
	/** Path of the bzImage (or uncompressed kernel). */
	image: string;
	/** As `uname -r` prints it, where known. */
	release?: string;
	/** The directory lib/modules/<release>; absent for a kernel that has everything built in. */
	modules?: string;
	/** Whether it is the distribution's kernel. */
	packaged?: boolean;
}

/** Packages that depend on the current kernel: Debian's first, then Ubuntu's. */
const metapackages: Readonly<Record<Architecture, readonly string[]>> = {
	x64: ['linux-image-amd64', 'linux-image-generic', 'linux-image-virtual'],
	arm64: ['linux-image-arm64', 'linux-image-generic', 'linux-image-virtual'],
};

/** Packages of one kernel: the image and, on Ubuntu, packages with its modules. */
const concrete = /^linux-(?:image|modules|modules-extra)-\d[\w.+~-]*$/;

/**
 * The packages of one kernel among those that `apt-cache depends` printed. Debug packages and unsigned kernels are left
 * out.
 */
export function kernelDependencies(text: string): string[] {
	const names = [...text.matchAll(/^ *\|?Depends: (\S+)/gm)].map((match) => match[1]!);
	return [...new Set(names)].filter((name) => concrete.test(name) && !/-(?:dbg|unsigned)$/.test(name));
}

const noKernel = (why: string) =>
	daxkindError(
		'ERR_DAXKIND_VM_NO_KERNEL',
		`${why}\n  Any Linux kernel with 9p, overlay, pmem and virtio will do: --kernel /boot/vmlinuz-… --modules /lib/modules/…`,
	);

/** @throws ERR_DAXKIND_VM_NO_KERNEL */
function requireApt(): void {
	if (hasApt()) return;
	throw noKernel(
		'the VM takes its kernel from a Debian or Ubuntu package, but this machine does not have apt-get and dpkg-deb.',
	);
}

/** The kernel packages that apt knows: what the first known metapackage depends on. */
async function kernelPackages(apt: Apt, architecture: Architecture): Promise<string[]> {
	for (const metapackage of metapackages[architecture]) {
		const packages = kernelDependencies(await dependencies(apt, metapackage));
		// Ubuntu's image package depends on the packages of its modules.
		for (const name of [...packages]) packages.push(...kernelDependencies(await dependencies(apt, name)));
		if (packages.some((name) => name.startsWith('linux-image-'))) return [...new Set(packages)];
	}
	throw noKernel(`apt knows no package ${metapackages[architecture].slice(0, 2).join(' or ')}.${apt.hint}`);
}

/** Directories of a tree that can hold a kernel's modules. Newer packages have them below usr. */
const modulesParents = ['lib/modules', 'usr/lib/modules'];

function modulesIn(tree: string): string[] {
	for (const parent of modulesParents) {
		const directory = join(tree, parent);
		if (existsSync(directory)) return readdirSync(directory).map((release) => join(directory, release));
	}
	return [];
}

const failed = (why: string) => noKernel(`the guest's kernel could not be fetched: ${why}`);

/** Downloads and unpacks the distribution's kernel into `tree`. */
async function unpackKernel(tree: string, apt: Apt, architecture: Architecture, signal: AbortSignal | undefined) {
	const packages = await kernelPackages(apt, architecture);
	const download = join(tree, 'packages');
	await unpackPackages(packages, download, tree, { apt, failed, signal });
	rmSync(download, { recursive: true });
	// depmod looks only in lib/modules.
	if (!existsSync(join(tree, 'lib/modules'))) {
		mkdirSync(join(tree, 'lib'), { recursive: true });
		symlinkSync('../usr/lib/modules', join(tree, 'lib/modules'));
	}
	const [modules] = modulesIn(tree);
	if (!modules) throw noKernel(`the packages ${packages.join(', ')} have no lib/modules.`);
	await indexModules(tree, basename(modules), { failed, signal });
	kernelIn(tree);
}

/** The kernel in an unpacked tree. */
function kernelIn(tree: string): Kernel {
	const boot = join(tree, 'boot');
	const name = existsSync(boot) ? readdirSync(boot).find((file) => file.startsWith('vmlinuz-')) : undefined;
	const release = name?.slice('vmlinuz-'.length);
	const modules = modulesIn(tree).find((directory) => basename(directory) === release);
	if (!name || !release || !modules) throw noKernel(`no kernel with its modules in ${tree}; remove that directory.`);
	return { image: join(boot, name), release, modules, packaged: true };
}

/**
 * Returns the distribution's kernel from the cache, or downloads it first. A person who removes `vm/kernel` there gets
 * the current kernel with the next call.
 */
export async function packagedKernel(onDownload?: () => void, signal?: AbortSignal): Promise<Kernel> {
	return kernelIn(
		await cached('vm/kernel', async (tree) => {
			requireApt();
			onDownload?.();
			mkdirSync(tree);
			await unpackKernel(tree, nativeApt(), 'x64', signal);
		}),
	);
}

/** The options that a kernel needs for DAX on pmem from the device tree. */
const daxOptions = ['CONFIG_FS_DAX', 'CONFIG_OF_PMEM'];

/**
 * Returns those of `daxOptions` that a kernel was built without.
 *
 * @param config Content of its /boot/config-<release>.
 */
export const missingDaxOptions = (config: string): string[] =>
	daxOptions.filter((name) => !new RegExp(`^${name}=[ym]$`, 'm').test(config));

/**
 * Unpacks an arm64 kernel that has DAX. The kernel of Debian 12 does not have it, so the newer kernel for the same
 * release (backports) is taken there.
 */
async function unpackDaxKernel(tree: string, apt: Apt, lists: string, signal: AbortSignal | undefined) {
	const missing = async (from: Apt) => {
		rmSync(tree, { recursive: true, force: true });
		mkdirSync(tree, { recursive: true });
		await unpackKernel(tree, from, 'arm64', signal);
		const { release } = kernelIn(tree);
		return missingDaxOptions(readFileSync(join(tree, 'boot', `config-${release}`), 'utf8'));
	};
	const first = await missing(apt);
	if (first.length === 0) return;
	const newer = await backportsApt('arm64', join(lists, 'backports'), { apt, failed, signal });
	if (newer === undefined || (await missing(newer)).length > 0) {
		throw noKernel(`the distribution's kernel for arm64 was built without ${first.join(' and ')}, so it has no DAX.`);
	}
}

/** A distribution for an architecture that is not the host's. */
export interface ForeignDistribution {
	kernel: Kernel;
	/** A tree with programs and libraries below usr. It is laid over this machine's files. */
	userland: string;
}

/**
 * Returns the distribution's kernel and programs for arm64 from the cache, or downloads them first. A person who
 * removes `vm/arm64` there gets the current ones with the next call.
 */
export async function packagedArm64(onDownload?: () => void, signal?: AbortSignal): Promise<ForeignDistribution> {
	const directory = await cached('vm/arm64', async (path) => {
		requireApt();
		onDownload?.();
		const [kernel, lists] = [join(path, 'kernel'), join(path, 'apt')];
		const apt = await foreignApt('arm64', lists, { failed, signal });
		await unpackDaxKernel(kernel, apt, lists, signal);
		await unpackUserland(path, { apt, failed, signal });
		rmSync(lists, { recursive: true });
	});
	return { kernel: kernelIn(join(directory, 'kernel')), userland: join(directory, 'userland') };
}

/** Finds lib/modules/<release> from the directory that a person gave: a tree, lib/modules, or the directory itself. */
function findModules(given: string, release: string | undefined): string {
	if (existsSync(join(given, 'modules.order')) || existsSync(join(given, 'modules.dep'))) return realpathSync(given);
	const parents = [given, ...modulesParents.map((parent) => join(given, parent))].filter((path) => existsSync(path));
	const found = parents.flatMap((parent) =>
		readdirSync(parent, { withFileTypes: true }).flatMap((entry) =>
			existsSync(join(parent, entry.name, 'modules.order')) || existsSync(join(parent, entry.name, 'modules.dep'))
				? [join(parent, entry.name)]
				: [],
		),
	);
	const match =
		release === undefined
			? found.length === 1
				? found[0]
				: undefined
			: found.find((path) => basename(path) === release);
	if (match) return realpathSync(match);
	const names = found.map((path) => basename(path)).join(', ');
	throw noKernel(
		`no modules of ${release === undefined ? 'one single kernel' : `kernel ${release}`} in ${given}${names ? ` (it has ${names})` : ''}.`,
	);
}

/**
 * Reads a kernel that the user has brought.
 *
 * @param image A bzImage, or an uncompressed kernel with a PVH note.
 * @param modules A tree with lib/modules/<release>, or that directory. Absent: this machine's modules of that release,
 * if it has any.
 */
export function ownKernel(image: string, modules?: string): Kernel {
	const path = resolve(image);
	try {
		accessSync(path);
	} catch {
		throw systemError(-2, 'open', path, 'no such kernel');
	}
	const contents = readFileSync(path);
	if (!isKernel(contents)) throw noKernel(`${path} is neither a bzImage nor an uncompressed kernel.`);
	const release = kernelRelease(contents);
	if (modules !== undefined) {
		const directory = findModules(resolve(modules), release);
		return { image: path, release: release ?? basename(directory), modules: directory };
	}
	if (release === undefined) return { image: path };
	const usual = [join(dirname(dirname(path)), 'lib/modules', release), join('/lib/modules', release)];
	const found = usual.find((directory) => existsSync(join(directory, 'modules.dep')));
	return { image: path, release, ...(found && { modules: realpathSync(found) }) };
}
