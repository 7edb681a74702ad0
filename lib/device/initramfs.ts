// Which initramfs images have a module in them: what is loaded from there is loaded before modprobe's configuration of the root is seen.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { attempt } from '../attempt.ts';
import type { Tree } from './tree.ts';

/** What a compressed archive begins with, and the program that unpacks it; undefined: zlib does (Documentation/driver-api/early-userspace/buffer-format.rst). */
const compressions: readonly [magic: string, program: string | undefined][] = [
	['1f8b', undefined],
	['fd377a585a00', 'xz'],
	['28b52ffd', 'zstd'],
	['02214c18', 'lz4'],
	['04224d18', 'lz4'],
	['425a68', 'bzip2'],
	['5d0000', 'xz'],
];

/** Bytes of a newc header, and where in it the sizes of the file and of its name are, in eight hexadecimal digits. */
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

/** The names of the files in an initramfs, which is one archive after another, each compressed or not; undefined where one cannot be unpacked. */
function namesIn(image: Buffer): string[] | undefined {
	const names: string[] = [];
	let at = 0;
	while (at < image.length) {
		if (image[at] === 0) {
			at++;
		} else if (newc.test(image.toString('latin1', at, at + 6))) {
			const sizeAt = (offset: number) => Number.parseInt(image.toString('latin1', at + offset, at + offset + 8), 16);
			const [fileSize, nameSize] = [sizeAt(header.fileSize), sizeAt(header.nameSize)];
			if (!(fileSize >= 0 && nameSize > 0)) return undefined;
			names.push(image.toString('utf8', at + header.length, at + header.length + nameSize - 1));
			at += padded(header.length + nameSize) + padded(fileSize);
		} else {
			let rest: Buffer | undefined;
			try {
				rest = unpack(image.subarray(at));
			} catch {
				// Not the data that it looks like, or its program is not here.
			}
			const more = rest && namesIn(rest);
			return more && [...names, ...more];
		}
	}
	return names;
}

export interface InitramfsWithModule {
	path: string;
	/** Undefined where the image could not be read or unpacked. */
	hasModule: boolean | undefined;
}

/** The images of an initramfs that a machine has in /boot. */
export function initramfsImages(tree: Tree, module: string): InitramfsWithModule[] {
	const isImage = (name: string) => /^(?:initrd|initramfs)/.test(name) && !/\.(?:old|bak)/.test(name);
	return tree
		.list('/boot')
		.filter(isImage)
		.map((name) => {
			const path = `/boot/${name}`;
			const image = attempt(() => readFileSync(`${tree.root}${path}`)).value;
			const names = image && namesIn(image);
			const isModule = new RegExp(`(?:^|/)${module.replaceAll('_', '[-_]')}\\.ko(?:\\.|$)`);
			return { path, hasModule: names?.some((file) => isModule.test(file)) };
		});
}
