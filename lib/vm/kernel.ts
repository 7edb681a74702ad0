// Where the guest's kernel comes from: one's own, or the distribution's package, unpacked into the cache and not installed.
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
import { asRoot } from '../format.ts';
import { cached } from './cache.ts';
import { isKernel, kernelRelease } from './image.ts';
import { execute } from './process.ts';
import { findProgram } from './programs.ts';

/** A kernel and its modules on the host. */
export interface Kernel {
	/** Path of the bzImage (or uncompressed kernel). */
	image: string;
	/** As `uname -r` prints it, where known. */
	release?: string;
	/** The directory lib/modules/<release>; absent for a kernel that has everything built in. */
	modules?: string;
	/** It is the distribution's. */
	packaged?: boolean;
}

/** Packages whose dependency is the current kernel: Debian's, then Ubuntu's. */
const metapackages = ['linux-image-amd64', 'linux-image-generic', 'linux-image-virtual'];

/** A concrete kernel's packages: image and, on Ubuntu, modules of their own. */
const concrete = /^linux-(?:image|modules|modules-extra)-\d[\w.+~-]*$/;

/** The concrete kernel packages among what `apt-cache depends` printed, without those for debugging or other kernels. */
export function kernelDependencies(text: string): string[] {
	const names = [...text.matchAll(/^ *\|?Depends: (\S+)/gm)].map((match) => match[1]!);
	return [...new Set(names)].filter((name) => concrete.test(name) && !/-(?:dbg|unsigned)$/.test(name));
}

const noKernel = (why: string) =>
	daxkindError(
		'ERR_DAXKIND_VM_NO_KERNEL',
		`${why}\n  Any Linux kernel with 9p, overlay, pmem and virtio will do: --kernel /boot/vmlinuz-… --modules /lib/modules/…`,
	);

/** The kernel packages that apt knows, newest dependency of the first metapackage that exists. */
async function kernelPackages(): Promise<string[]> {
	const aptCache = findProgram('apt-cache');
	if (!aptCache || !findProgram('apt-get') || !findProgram('dpkg-deb')) {
		throw noKernel(
			'the VM takes its kernel from a Debian or Ubuntu package, and this machine has no apt-get and dpkg-deb.',
		);
	}
	for (const metapackage of metapackages) {
		const packages = kernelDependencies((await execute(aptCache, ['depends', metapackage])).stdout.toString());
		// Ubuntu's image depends on its modules.
		for (const name of [...packages]) {
			packages.push(...kernelDependencies((await execute(aptCache, ['depends', name])).stdout.toString()));
		}
		if (packages.some((name) => name.startsWith('linux-image-'))) return [...new Set(packages)];
	}
	throw noKernel(
		`apt knows no package ${metapackages.slice(0, 2).join(' or ')}. If its package lists are empty or old, fetch them with\n  ${updateCommand()}`,
	);
}

const updateCommand = () => asRoot('apt-get update');

async function must(
	program: string,
	args: readonly string[],
	cwd: string,
	{ signal, hint = '' }: { signal: AbortSignal | undefined; hint?: string },
): Promise<void> {
	const { status, stderr } = await execute(findProgram(program) ?? program, args, { cwd, signal });
	signal?.throwIfAborted();
	if (status === 0) return;
	const last = stderr.trim().split('\n').slice(-5).join('\n  ');
	throw noKernel(`${program} ${args[0]} failed while fetching the guest's kernel:\n  ${last}${hint}`);
}

/** Directory of a tree that holds lib/modules; newer packages have it below usr. */
const modulesParents = ['lib/modules', 'usr/lib/modules'];

function modulesIn(tree: string): string[] {
	for (const parent of modulesParents) {
		const directory = join(tree, parent);
		if (existsSync(directory)) return readdirSync(directory).map((release) => join(directory, release));
	}
	return [];
}

/** Downloads and unpacks the distribution's kernel into `tree`. */
async function unpackKernel(tree: string, signal: AbortSignal | undefined): Promise<void> {
	const packages = await kernelPackages();
	const download = join(tree, 'packages');
	mkdirSync(download, { recursive: true });
	// As root, apt would download as user _apt, who may not write here, and warn about it.
	const sandbox = process.getuid?.() === 0 ? ['-o', 'APT::Sandbox::User=root'] : [];
	const hint = `\n  If the package lists are old, renew them with\n  ${updateCommand()}`;
	await must('apt-get', ['download', '-q', ...sandbox, ...packages], download, { signal, hint });
	for (const file of readdirSync(download)) {
		if (file.endsWith('.deb')) await must('dpkg-deb', ['-x', join(download, file), tree], tree, { signal });
	}
	rmSync(download, { recursive: true });
	// depmod knows only lib/modules.
	if (!existsSync(join(tree, 'lib/modules'))) {
		mkdirSync(join(tree, 'lib'), { recursive: true });
		symlinkSync('../usr/lib/modules', join(tree, 'lib/modules'));
	}
	const [modules] = modulesIn(tree);
	if (!modules) throw noKernel(`the packages ${packages.join(', ')} have no lib/modules.`);
	await must('depmod', ['-b', tree, basename(modules)], tree, { signal });
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

/** The distribution's kernel, from the cache or downloaded into it. Removing `vm/kernel` there brings the current one. */
export async function packagedKernel(onDownload?: () => void, signal?: AbortSignal): Promise<Kernel> {
	return kernelIn(
		await cached('vm/kernel', async (tree) => {
			onDownload?.();
			await unpackKernel(tree, signal);
		}),
	);
}

/** Finds lib/modules/<release> in what a person gave as the modules' directory: a tree, lib/modules, or the directory itself. */
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
 * One's own kernel.
 *
 * @param image A bzImage or an uncompressed kernel with a PVH note.
 * @param modules A tree with lib/modules/<release>, or that directory; absent: this machine's modules of that release, if any, else none.
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
