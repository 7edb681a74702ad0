// Looks into initramfs images for what decides the device model. A module that is loaded from an image is loaded before
// modprobe's configuration of the root is seen.
import { execFileSync } from 'node:child_process';
import { basename, dirname } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { Tree } from '../tree.ts';
import { isPolicy, oldModule, policyDirectories } from './model.ts';

/**
 * How a compressed archive begins, and the program that unpacks it. Undefined: zlib unpacks it
 * (Documentation/driver-api/early-userspace/buffer-format.rst).
 */
const compressions: readonly [magic: string, program: string | undefined][] = [
	['1f8b', undefined],
	['fd377a585a00', 'xz'],
	['28b52ffd', 'zstd'],
	['02214c18', 'lz4'],
	['04224d18', 'lz4'],
	['425a68', 'bzip2'],
	['5d0000', 'xz'],
];

/**
 * The length of a newc header in bytes, and where in it the sizes of the file and of its name are, in eight hexadecimal
 * digits.
 */
const header = { length: 110, fileSize: 54, nameSize: 94 };
const newc = /^07070[12]$/;

const padded = (size: number) => Math.ceil(size / 4) * 4;

function unpack(data: Buffer): Buffer | undefined {
	const magic = data.subarray(0, 6).toString('hex');
	const found = compressions.find(([begin]) => magic.startsWith(begin));
	if (found === undefined) return undefined;
	const [, program] = found;
	if (program === undefined) return gunzipSync(data);
	return execFileSync(program, ['-dc'], { input: data, maxBuffer: 2 ** 31 - 1, stdio: ['pipe', 'pipe', 'ignore'] });
}

/**
 * The files in an initramfs. It is one archive after another, and each can be compressed. Undefined where one of them
 * cannot be unpacked.
 */
function filesIn(image: Buffer): Map<string, Buffer> | undefined {
	const files = new Map<string, Buffer>();
	let at = 0;
	while (at < image.length) {
		if (image[at] === 0) {
			at++;
		} else if (newc.test(image.toString('latin1', at, at + 6))) {
			const sizeAt = (offset: number) => Number.parseInt(image.toString('latin1', at + offset, at + offset + 8), 16);
			const [fileSize, nameSize] = [sizeAt(header.fileSize), sizeAt(header.nameSize)];
			if (!(fileSize >= 0 && nameSize > 0)) return undefined;
			const name = image.toString('utf8', at + header.length, at + header.length + nameSize - 1);
			at += padded(header.length + nameSize);
			files.set(name.replace(/^\.?\//, ''), image.subarray(at, at + fileSize));
			at += padded(fileSize);
		} else {
			let rest: Buffer | undefined;
			try {
				rest = unpack(image.subarray(at));
			} catch {
				// The data only look like this compression, or its program is missing.
			}
			const more = rest && filesIn(rest);
			return more && new Map([...files, ...more]);
		}
	}
	return files;
}

/** An initramfs image, and what it says about the device model. */
export interface InitramfsImage {
	path: string;
	/** Whether the old module is in it. Undefined where the image could not be read or unpacked. */
	hasModule: boolean | undefined;
	/** Whether a policy is in it that keeps the old module out. Undefined in the same cases. */
	hasPolicy: boolean | undefined;
}

const isImage = (name: string) => /^(?:initrd|initramfs)/.test(name) && !/\.(?:old|bak)/.test(name);

/** The paths of the images: in /boot, or in /boot/MACHINE/VERSION as the Boot Loader Specification says. */
function imagePaths(tree: Tree): string[] {
	const within = (directory: string) => tree.list(directory).map((name) => `${directory}/${name}`);
	const machines = within('/boot').filter((path) => /\/[\da-f]{32}$/.test(path));
	return [...within('/boot'), ...machines.flatMap(within).flatMap(within)].filter((path) => isImage(basename(path)));
}

/** The images of a machine. It blocks the thread until all of them are read and unpacked. */
export function initramfsImages(tree: Tree): InitramfsImage[] {
	const isModule = new RegExp(`(?:^|/)${oldModule.replaceAll('_', '[-_]')}\\.ko(?:\\.|$)`);
	const isConfiguration = (name: string) => name.endsWith('.conf') && policyDirectories.includes(`/${dirname(name)}`);
	return imagePaths(tree).map((path) => {
		const image = tree.bytes(path).value;
		const files = image && filesIn(image);
		if (files === undefined) return { path, hasModule: undefined, hasPolicy: undefined };
		return {
			path,
			hasModule: [...files.keys()].some((name) => isModule.test(name)),
			hasPolicy: [...files].some(([name, text]) => isConfiguration(name) && isPolicy(text.toString())),
		};
	});
}
