// Reads kernel images: their release, and the uncompressed kernel inside a bzImage. Under TCG the uncompressed kernel
// starts seconds sooner.
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { daxkindError } from '../errors.ts';
import { cached, cacheKey } from './cache.ts';
import { execute } from './process.ts';
import { findProgram } from './programs.ts';

/** Offsets in a bzImage (Documentation/arch/x86/boot.rst). */
const setup = {
	sectors: 0x1f1,
	magic: 0x202,
	releasePointer: 0x20e,
	payloadOffset: 0x248,
	payloadLength: 0x24c,
} as const;
const SECTOR = 512;

const isBzImage = (image: Buffer): boolean =>
	image.length > 0x260 && image.toString('latin1', setup.magic, setup.magic + 4) === 'HdrS';

const isElf = (image: Buffer): boolean => image.length >= 64 && image.readUInt32BE(0) === 0x7f454c46;

/** An arm64 kernel, uncompressed (Documentation/arch/arm64/booting.rst). */
const isArm64Image = (image: Buffer): boolean => image.length > 64 && image.toString('latin1', 56, 60) === 'ARM\x64';

/** Whether this looks like a kernel. */
export const isKernel = (image: Buffer): boolean => isBzImage(image) || isElf(image) || isArm64Image(image);

/** The release that is written in a bzImage or an uncompressed kernel, as `uname -r` prints it. */
export function kernelRelease(image: Buffer): string | undefined {
	if (isBzImage(image)) {
		const start = image.readUInt16LE(setup.releasePointer) + SECTOR;
		return /^[^\s\0]+/.exec(image.toString('latin1', start, start + 128))?.[0];
	}
	const banner = image.indexOf('Linux version ');
	return banner < 0 ? undefined : /^Linux version ([^\s\0]+)/.exec(image.toString('latin1', banner, banner + 128))?.[1];
}

/** The compressed kernel in a bzImage, without the length that the kernel's build appends to it. */
export function kernelPayload(image: Buffer): Buffer | undefined {
	if (!isBzImage(image)) return undefined;
	const start = (image[setup.sectors]! + 1) * SECTOR + image.readUInt32LE(setup.payloadOffset);
	const length = image.readUInt32LE(setup.payloadLength);
	return start + length <= image.length ? image.subarray(start, start + length - 4) : undefined;
}

/**
 * ELF: the type of a table entry that points to notes. Xen: the note that holds the PVH entry point. QEMU starts no ELF
 * kernel without it.
 */
const ELFCLASS64 = 2;
const PT_NOTE = 4;
const XEN_ELFNOTE_PHYS32_ENTRY = 18;

/** Whether QEMU can start this uncompressed kernel directly. */
export function hasPvhEntry(elf: Buffer): boolean {
	if (!isElf(elf) || elf[4] !== ELFCLASS64) return false;
	const table = Number(elf.readBigUInt64LE(32));
	const align = (bytes: number) => Math.ceil(bytes / 4) * 4;
	for (let n = 0; n < elf.readUInt16LE(56); n++) {
		const entry = table + n * elf.readUInt16LE(54);
		if (entry + 56 > elf.length || elf.readUInt32LE(entry) !== PT_NOTE) continue;
		let at = Number(elf.readBigUInt64LE(entry + 8));
		const end = Math.min(at + Number(elf.readBigUInt64LE(entry + 32)), elf.length);
		while (at + 12 <= end) {
			const nameSize = elf.readUInt32LE(at);
			const type = elf.readUInt32LE(at + 8);
			if (type === XEN_ELFNOTE_PHYS32_ENTRY && elf.toString('latin1', at + 12, at + 15) === 'Xen') return true;
			at += 12 + align(nameSize) + align(elf.readUInt32LE(at + 4));
		}
	}
	return false;
}

/**
 * Decompresses data. The magic number tells the format. Undefined where the format is unknown or its program is
 * missing.
 */
export async function decompress(data: Buffer): Promise<Buffer | undefined> {
	const starts = (...bytes: number[]) => bytes.every((byte, n) => data[n] === byte);
	if (starts(0x1f, 0x8b)) return gunzipSync(data);
	let program: string | undefined;
	// busybox's xz will not do: it lacks the x86 filter that kernels are compressed with.
	if (starts(0xfd, 0x37, 0x7a, 0x58, 0x5a)) program = findProgram('xz');
	if (starts(0x28, 0xb5, 0x2f, 0xfd)) program = findProgram('zstd');
	if (program === undefined) return undefined;
	const { status, stdout } = await execute(program, ['-dcq'], { input: data });
	return status === 0 ? stdout : undefined;
}

/**
 * The image for QEMU: the uncompressed kernel (cached), if it can be extracted and QEMU can start it; otherwise the
 * given file.
 *
 * @param file A bzImage or an uncompressed kernel.
 */
export async function startableImage(file: string): Promise<string> {
	const { mtimeMs, size } = statSync(file);
	const name = `vm/images/${cacheKey(file, String(mtimeMs), String(size))}`;
	try {
		const image = await cached(name, async (path) => {
			const payload = kernelPayload(readFileSync(file));
			const elf = payload && (await decompress(payload));
			if (!elf) throw new Error('not a compressed kernel that this machine can read');
			// An empty entry means that QEMU cannot start the uncompressed kernel, so that nobody tries again.
			writeFileSync(path, hasPvhEntry(elf) ? elf : '');
		});
		return statSync(image).size > 0 ? image : file;
	} catch {
		return file; // the guest decompresses it, which takes longer
	}
}

/**
 * Offsets in a compressed arm64 kernel that UEFI starts (struct linux_efi_zboot_header in the kernel's
 * drivers/firmware/efi/libstub).
 */
const zboot = { magic: 4, payloadOffset: 8, payloadLength: 12 } as const;

/** The compressed kernel in an image for arm64: its payload if it is made for UEFI, otherwise the whole file. */
function arm64Payload(image: Buffer): Buffer {
	if (image.toString('latin1', zboot.magic, zboot.magic + 4) !== 'zimg') return image;
	const start = image.readUInt32LE(zboot.payloadOffset);
	return image.subarray(start, start + image.readUInt32LE(zboot.payloadLength));
}

/**
 * The arm64 kernel for QEMU, uncompressed: not every QEMU knows every compression, and the release can only be read in
 * the uncompressed kernel.
 *
 * @param file An Image, a compressed Image (gzip, xz, zstd), or a compressed image that UEFI starts.
 * @throws ERR_DAXKIND_VM_NO_KERNEL if it is none of these; ENOENT or the like if it cannot be read.
 */
export async function plainImage(file: string): Promise<string> {
	const path = resolve(file);
	const image = readFileSync(path);
	if (isArm64Image(image)) return path;
	const { mtimeMs, size } = statSync(path);
	return cached(`vm/images/${cacheKey(path, String(mtimeMs), String(size))}`, async (draft) => {
		const plain = await decompress(arm64Payload(image));
		if (!plain || !isArm64Image(plain)) {
			throw daxkindError(
				'ERR_DAXKIND_VM_NO_KERNEL',
				`${path} is not a kernel for arm64 (Image, Image.gz or vmlinuz.efi)`,
			);
		}
		writeFileSync(draft, plain);
	});
}

/** Whether UEFI can start this kernel. A bzImage with the EFI stub is also a PE program, and begins like one. */
export const hasEfiStub = (image: Buffer): boolean => isBzImage(image) && image.toString('latin1', 0, 2) === 'MZ';

/**
 * The image for QEMU where UEFI starts it: the file itself.
 *
 * @throws ERR_DAXKIND_VM_NO_KERNEL if UEFI cannot start it.
 */
export function efiImage(file: string): string {
	if (hasEfiStub(readFileSync(file))) return file;
	throw daxkindError(
		'ERR_DAXKIND_VM_NO_KERNEL',
		`UEFI cannot start ${file}, because it is not a bzImage with the EFI stub (CONFIG_EFI_STUB). Fix: use another kernel, or the firmware bios`,
	);
}
