// Finds the native addon and loads it. If that fails, says why and what to do about it.
import { existsSync, readFileSync } from 'node:fs';
import Module from 'node:module';
import { fileURLToPath } from 'node:url';
import { daxkindError } from './errors.ts';

/**
 * The folder of the package that this file is in. In a bundle it is another folder, and a CommonJS bundle does not know
 * any.
 */
function packageFolder(): string | undefined {
	const url = import.meta.url as string | undefined;
	return url?.startsWith('file:') ? fileURLToPath(new URL('..', url)) : undefined;
}

function isPackage(folder: string): boolean {
	try {
		return JSON.parse(readFileSync(`${folder}package.json`, 'utf8')).name === 'daxkind';
	} catch {
		return false;
	}
}

/**
 * The package's binary for an architecture. Each name stands here in full, because tools that trace the files of a
 * program find them by this form: @vercel/nft, which Next uses, and webpack.
 */
function prebuilt(arch: string): string | undefined {
	if (arch === 'x64') return fileURLToPath(new URL('../prebuilds/linux-x64/daxkind.glibc.node', import.meta.url));
	if (arch === 'arm64') return fileURLToPath(new URL('../prebuilds/linux-arm64/daxkind.glibc.node', import.meta.url));
	return undefined;
}

/** The addon's file. undefined if there is none for this machine. A binary that was built here comes first. */
function find(folder: string): string | undefined {
	// A test of the addon itself brings a binary that it has built in another way.
	const built = `${process.env.DAXKIND_PREBUILD ?? folder}/build/Release/daxkind.node`;
	return [built, prebuilt(process.arch)].find((path) => path !== undefined && existsSync(path));
}

const bundled =
	'daxkind was bundled, and in a bundle it cannot find its addon. Leave it out of the bundle (esbuild: --external:daxkind; other bundlers: the option `external` or `externals`) and install it beside the bundle.';

/**
 * Whether this process runs with another C library than glibc. That is musl then. The check takes some milliseconds.
 */
function isMusl(): boolean {
	const { header } = (process.report?.getReport() ?? {}) as { header?: Record<string, unknown> };
	return header !== undefined && !('glibcVersionRuntime' in header);
}

/** How a person builds the addon in this folder. */
function buildCommand(folder: string): string {
	if (existsSync(`${folder}scripts/build.mjs`)) return `Build it, in ${folder}: npm run build`;
	return `Build it (this needs a C++ compiler, make and Python): npx node-gyp rebuild --directory=${folder}addon`;
}

/** What to do about a failure to load, judged by the error of Node or the dynamic linker. */
function remedyFor(folder: string, { name, message, code }: NodeJS.ErrnoException): string {
	if (code === 'ERR_DLOPEN_DISABLED') {
		return 'Node was told to load no addons. Run it without --no-addons, and with --allow-addons if you use --permission.';
	}
	if (name === 'NotCapable' || name === 'PermissionDenied') {
		return 'Deno does not permit what daxkind needs. Run it with --allow-env --allow-read --allow-ffi.';
	}
	if (!isPackage(folder)) return bundled;
	const build = buildCommand(folder);
	if (isMusl()) {
		return `This system has musl, like Alpine. The binaries of daxkind need glibc, and daxkind was not tested with musl. Use a system with glibc, such as the image node:lts-slim. Or try this. ${build}`;
	}
	if (/wrong ELF class|invalid ELF header|cannot open shared object file/.test(message)) {
		return `The addon was built for another architecture or C library than this one (${process.arch}). ${build}`;
	}
	if (/version `GLIBC|undefined symbol|symbol not found/.test(message)) {
		return `The addon was built for a newer system than this one. ${build}`;
	}
	return `Loading it failed. If the error below does not help: ${build}`;
}

/** An object in place of the addon. Every use of it throws the reason why there is no addon. */
function absent<T extends object>(explanation: string, cause?: unknown): T {
	const error = daxkindError('ERR_DAXKIND_NATIVE', `Cannot load daxkind's native addon. ${explanation}`);
	if (cause !== undefined) error.cause = cause;
	return new Proxy({} as T, {
		get() {
			throw error;
		},
	});
}

/**
 * Loads the addon by process.dlopen. It blocks for some milliseconds.
 *
 * @param prepare It is called with the addon before anybody else gets it.
 * @returns The addon. If it cannot be loaded: an object of which every use throws ERR_DAXKIND_NATIVE.
 */
export function loadAddon<T extends object>(prepare: (addon: T) => void): T {
	const { platform, arch } = process;
	if (platform !== 'linux') {
		return absent(
			`It makes Linux system calls, and this system is ${platform}. Run it on Linux, or in a Linux VM or container.`,
		);
	}
	const folder = packageFolder();
	if (folder === undefined) return absent(bundled);
	try {
		const path = find(folder);
		if (path === undefined) {
			const reason = isPackage(folder)
				? `There is no addon for ${platform} ${arch} in ${folder}. ${buildCommand(folder)}`
				: bundled;
			return absent(reason);
		}
		// The default export is used, because webpack takes a named createRequire for its own and does not let Node
		// require the file.
		const addon = Module.createRequire(path)(path) as T;
		prepare(addon);
		return addon;
	} catch (error) {
		return absent(`${remedyFor(folder, error as Error)}\n${(error as Error).message}`, error);
	}
}
