// Which programs of the host the VM needs (the firmware counts as one), and where they are.
import { accessSync, closeSync, constants, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { daxkindError } from '../errors.ts';
import { asRoot } from '../format.ts';
import type { Feature } from './feature.ts';
import { findFirmware } from './firmware.ts';

/** A program, or the firmware OVMF, and the Debian or Ubuntu package that has it. */
export interface VmRequirement {
	program: string;
	package: string;
	/** What needs it. Absent: every VM needs it. */
	feature?: Feature;
	/**
	 * Whether only a guest of this machine's architecture needs it. Such a guest runs most of these itself, from this
	 * machine's files.
	 */
	isForNative?: boolean;
}

const requirements: readonly VmRequirement[] = [
	{ program: 'qemu-system-x86_64', package: 'qemu-system-x86', isForNative: true },
	{ program: 'qemu-system-aarch64', package: 'qemu-system-arm', feature: 'arm64' },
	{ program: 'busybox', package: 'busybox-static', isForNative: true },
	{ program: 'modprobe', package: 'kmod' },
	{ program: 'depmod', package: 'kmod' },
	{ program: 'xz', package: 'xz-utils' },
	{ program: 'setpriv', package: 'util-linux' },
	{ program: 'setsid', package: 'util-linux', isForNative: true },
	{ program: 'env', package: 'coreutils', isForNative: true },
	{ program: 'mkfs.ext4', package: 'e2fsprogs', feature: 'ext4', isForNative: true },
	{ program: 'mkfs.ext2', package: 'e2fsprogs', feature: 'ext2', isForNative: true },
	{ program: 'mkfs.xfs', package: 'xfsprogs', feature: 'xfs', isForNative: true },
	{ program: 'mkfs.erofs', package: 'erofs-utils', feature: 'erofs', isForNative: true },
	{ program: 'ndctl', package: 'ndctl', feature: 'devdax', isForNative: true },
	{ program: 'ndctl', package: 'ndctl', feature: 'cxl', isForNative: true },
	{ program: 'script', package: 'bsdutils', feature: 'terminal', isForNative: true },
	{ program: 'virtiofsd', package: 'virtiofsd', feature: 'virtiofs' },
	{ program: 'OVMF', package: 'ovmf', feature: 'uefi' },
];

/** Many users do not have administrators' programs in their PATH, and nobody has QEMU's helpers there. */
const systemDirectories = [
	'/usr/local/sbin',
	'/usr/sbin',
	'/sbin',
	'/usr/bin',
	'/bin',
	'/usr/libexec',
	'/usr/lib/qemu',
];

/** The absolute path of a program in PATH or the system's directories. */
export function findProgram(name: string, accept: (path: string) => boolean = () => true): string | undefined {
	for (const directory of [...(process.env.PATH ?? '').split(delimiter), ...systemDirectories]) {
		if (!directory.startsWith('/')) continue;
		const path = join(directory, name);
		try {
			accessSync(path, constants.X_OK);
			if (statSync(path).isFile() && accept(path)) return path;
		} catch {
			// not here
		}
	}
	return undefined;
}

/** The type of the ELF program header that asks for a dynamic loader. */
const PT_INTERP = 3;

/** Whether a 64-bit little-endian ELF program runs without shared libraries, as a program in an initramfs must. */
export function isStaticElf(head: Buffer): boolean {
	if (head.length < 64 || head.readUInt32BE(0) !== 0x7f454c46) return false;
	const table = Number(head.readBigUInt64LE(32));
	const size = head.readUInt16LE(54);
	const count = head.readUInt16LE(56);
	for (let n = 0; n < count; n++) {
		const at = table + n * size;
		if (at + 4 > head.length || head.readUInt32LE(at) === PT_INTERP) return false;
	}
	return true;
}

function isStatic(path: string): boolean {
	const head = Buffer.alloc(4096);
	const fd = openSync(path, 'r');
	try {
		return isStaticElf(head.subarray(0, readSync(fd, head, 0, head.length, 0)));
	} finally {
		closeSync(fd);
	}
}

/** The last releases whose QEMU comes with a virtiofsd of its own. */
const lastWithOwnVirtiofsd: Readonly<Record<string, number>> = { debian: 12, ubuntu: 23.04 };

/** The package that has virtiofsd. @param osRelease Content of /etc/os-release. */
export function virtiofsdPackage(osRelease: string): string {
	const field = (name: string) => new RegExp(`^${name}="?([^"\\n]*)`, 'm').exec(osRelease)?.[1] ?? '';
	// Debian unstable has no version number.
	const version = Number(field('VERSION_ID') || Number.POSITIVE_INFINITY);
	return version <= (lastWithOwnVirtiofsd[field('ID')] ?? 0) ? 'qemu-system-common' : 'virtiofsd';
}

function osRelease(): string {
	try {
		return readFileSync('/etc/os-release', 'utf8');
	} catch {
		return '';
	}
}

function locate({ program, feature }: VmRequirement): string | undefined {
	if (feature === 'uefi') return findFirmware()?.code;
	return findProgram(program, program === 'busybox' ? isStatic : undefined);
}

/**
 * The programs that a VM needs, each with the Debian or Ubuntu package that has it.
 *
 * @param features Only what a VM with these features needs. Absent: all programs.
 */
export function vmRequirements(features?: readonly Feature[]): VmRequirement[] {
	const isForeign = features?.includes('arm64') ?? false;
	return requirements
		.filter(({ feature }) => !feature || !features || features.includes(feature))
		.filter(({ isForNative = false }) => !(isForNative && isForeign))
		.map((need) => (need.program === 'virtiofsd' ? { ...need, package: virtiofsdPackage(osRelease()) } : need));
}

/**
 * The packages that `apt-get install` must bring before a VM can start. Empty if nothing is missing.
 *
 * @param features Only what a VM with these features needs. Absent: all programs.
 */
export function missingVmPackages(features?: readonly Feature[]): string[] {
	return [...new Set(vmRequirements(features).flatMap((need) => (locate(need) ? [] : [need.package])))];
}

/** Longer names of programs whose own name does not say what is missing. */
const fullNames: Readonly<Record<string, string>> = { busybox: 'busybox (static)', OVMF: 'OVMF (UEFI firmware)' };

/**
 * The command that installs packages, as this user would have to type it. It updates the package lists first, because a
 * new machine has none.
 */
const installCommand = (packages: readonly string[]) =>
	`${asRoot('apt-get update')} && ${asRoot(`apt-get install -y --no-install-recommends ${packages.join(' ')}`)}`;

/**
 * Finds every program that a VM with these features needs.
 *
 * @returns Absolute paths by program name.
 * @throws ERR_DAXKIND_VM_MISSING_PROGRAMS: one error that names all missing programs, and the one command that installs
 * them.
 */
export function requirePrograms(features: readonly Feature[]): Map<string, string> {
	const found = new Map<string, string>();
	const missing: VmRequirement[] = [];
	for (const need of vmRequirements(features)) {
		const path = locate(need);
		if (path) found.set(need.program, path);
		else missing.push(need);
	}
	if (missing.length > 0) {
		const names = missing.map(({ program }) => fullNames[program] ?? program).join(', ');
		const packages = [...new Set(missing.map((need) => need.package))];
		const how = findProgram('apt-get')
			? `install them with\n  ${installCommand(packages)}`
			: `install the packages that have them; on Debian and Ubuntu: ${packages.join(', ')}`;
		throw daxkindError('ERR_DAXKIND_VM_MISSING_PROGRAMS', `missing programs: ${names}; ${how}`);
	}
	return found;
}
