// Packs the guest's initramfs: busybox, the kernel modules that this run needs, and the guest's scripts.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { daxkindError } from '../errors.ts';
import { cached, cacheKey } from './cache.ts';
import { type CpioEntry, cpioArchive } from './cpio.ts';
import type { Feature } from './feature.ts';
import { decompress } from './image.ts';
import { initScript, sessionScript, stageTwoScript } from './init.ts';
import type { Kernel } from './kernel.ts';
import { type ModuleSet, moduleSets, neededSets } from './modules.ts';
import { execute } from './process.ts';

/** The files that `modprobe --show-depends` printed, in the order of loading. Built-in modules have no file. */
export function dependencyFiles(text: string): string[] {
	return [...new Set([...text.matchAll(/^insmod (\S+)/gm)].map((match) => match[1]!))];
}

interface Loadable {
	set: ModuleSet;
	files: string[];
}

async function listModules(kernel: Kernel & { modules: string }, sets: readonly ModuleSet[], modprobe: string) {
	// modprobe expects <base>/lib/modules/<release>. It must not read this machine's configuration.
	const base = mkdtempSync(join(tmpdir(), 'daxkind-modules-'));
	const release = kernel.release ?? basename(kernel.modules);
	try {
		mkdirSync(join(base, 'lib/modules'), { recursive: true });
		symlinkSync(kernel.modules, join(base, 'lib/modules', release));
		const show = ['-C', '/dev/null', '-d', base, '-S', release, '--show-depends', '-a'];
		return await Promise.all(
			sets.map(async (set): Promise<Loadable> => {
				const { status, stdout, stderr } = await execute(modprobe, [...show, ...moduleSets[set]]);
				if (status !== 0 && set !== 'extra') {
					throw daxkindError(
						'ERR_DAXKIND_VM_NO_KERNEL',
						`the kernel ${release} lacks modules that the VM needs (${moduleSets[set].join(', ')}):\n  ${stderr.trim()}`,
					);
				}
				const files = dependencyFiles(stdout.toString());
				return { set, files: files.map((file) => file.replace(join(base, 'lib/modules', release), kernel.modules)) };
			}),
		);
	} finally {
		rmSync(base, { recursive: true, force: true });
	}
}

/** A module's name and its uncompressed contents, because the guest's insmod may know no compression. */
async function readModule(file: string): Promise<[name: string, data: Buffer]> {
	const data = readFileSync(file);
	const name = basename(file).replace(/\.(?:xz|zst|gz)$/, '');
	if (name === basename(file)) return [name, data];
	const plain = await decompress(data);
	if (!plain)
		throw daxkindError(
			'ERR_DAXKIND_VM_NO_KERNEL',
			`cannot decompress ${file}; is the program for it (xz, zstd) installed?`,
		);
	return [name, plain];
}

/**
 * The end of a signed module (kernel/module/signing.c): the signature, struct module_signature (its last field is the
 * signature's length), this magic.
 */
const SIGNATURE_MAGIC = Buffer.from('~Module signature appended~\n');
const SIGNATURE_STRUCT = 12;

/** A module without its signature. */
export function withoutSignature(module: Buffer): Buffer {
	const end = module.length - SIGNATURE_MAGIC.length;
	if (end < SIGNATURE_STRUCT || !module.subarray(end).equals(SIGNATURE_MAGIC)) return module;
	const size = end - SIGNATURE_STRUCT - module.readUInt32BE(end - 4);
	return size > 0 ? module.subarray(0, size) : module;
}

async function pack(loadables: readonly Loadable[], { packaged = false }: Kernel, busybox: string): Promise<Buffer> {
	const modules = new Map<string, Buffer>();
	const lists: CpioEntry[] = [];
	for (const { set, files } of loadables) {
		const names: string[] = [];
		for (const file of files) {
			const [name, data] = await readModule(file);
			// Under TCG a guest takes seconds to check 20 signatures. The distributions' kernels do not insist on them.
			// A kernel of the user's own may.
			modules.set(name, packaged ? withoutSignature(data) : data);
			names.push(name);
		}
		lists.push({ path: `modules/${set}.list`, type: 'file', data: Buffer.from(`${names.join('\n')}\n`) });
	}
	return cpioArchive([
		...['bin', 'dev', 'proc', 'sys', 'modules'].map((path): CpioEntry => ({ path, type: 'directory' })),
		{ path: 'bin/busybox', type: 'file', data: readFileSync(busybox), mode: 0o755 },
		...initApplets.map((name): CpioEntry => ({ path: `bin/${name}`, type: 'symlink', target: 'busybox' })),
		...lists,
		...[...modules].map(([name, data]): CpioEntry => ({ path: `modules/${name}`, type: 'file', data })),
		{ path: 'stage2', type: 'file', data: Buffer.from(stageTwoScript) },
		{ path: 'session', type: 'file', data: Buffer.from(sessionScript) },
		{ path: 'init', type: 'file', data: Buffer.from(initScript), mode: 0o755 },
	]);
}

/** The applets of busybox that /init calls by name. */
const initApplets = 'sh cat cp cut dmesg insmod mkdir mount sed sleep switch_root tail tr usleep'.split(' ');

/**
 * Returns the path of the (cached) initramfs for a kernel and features. It is not compressed: QEMU copies it faster
 * than a guest under TCG unpacks it.
 */
export async function initramfs(
	kernel: Kernel,
	features: readonly Feature[],
	programs: ReadonlyMap<string, string>,
): Promise<string> {
	const busybox = programs.get('busybox')!;
	const sets = neededSets(features);
	const { modules } = kernel;
	const index = modules === undefined ? undefined : statSync(join(modules, 'modules.dep'), { throwIfNoEntry: false });
	if (modules !== undefined && !index) {
		throw daxkindError(
			'ERR_DAXKIND_VM_NO_KERNEL',
			`${modules} has no modules.dep; make it with\n  depmod -b <the directory that holds lib/modules> ${basename(modules)}`,
		);
	}
	const key = cacheKey(
		initScript,
		stageTwoScript,
		sessionScript,
		readFileSync(busybox),
		...[
			modules ?? '',
			String(kernel.packaged),
			String(index?.mtimeMs),
			String(index?.size),
			sets.join(),
			JSON.stringify(moduleSets),
		],
	);
	return cached(`vm/initramfs/${key}.cpio`, async (path) => {
		const loadables =
			modules === undefined ? [] : await listModules({ ...kernel, modules }, sets, programs.get('modprobe')!);
		writeFileSync(path, await pack(loadables, kernel, busybox));
	});
}
