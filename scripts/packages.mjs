// The packages of the system that a build or the VM needs. As root on Debian and Ubuntu, what is missing is installed in CI
// (CI=true) or with --yes; otherwise a person is told the one command that does.
import { hasProgram, StepError, step } from './steps.mjs';

/** Debian's names of what node-gyp needs and this machine does not have. */
export function missingBuildPackages() {
	const missing = [];
	if (!hasProgram(process.env.PYTHON ?? 'python3') && !hasProgram('python')) missing.push('python3');
	if (!hasProgram(process.env.MAKE ?? 'make')) missing.push('make');
	if (!process.env.CXX && !hasProgram('g++')) missing.push('g++');
	return missing;
}

/** Programs that tests use or compare with, and their packages; without one, its tests are skipped. */
const testPrograms = {
	...{ ndctl: 'ndctl', daxctl: 'daxctl', dmsetup: 'dmsetup', 'mkfs.btrfs': 'btrfs-progs' },
	// The package's binary for arm64, and a Node to try it with.
	...(process.arch === 'x64' && {
		'aarch64-linux-gnu-g++': 'g++-aarch64-linux-gnu',
		'qemu-aarch64-static': 'qemu-user-static',
	}),
	// GRUB's tools without a boot loader. memmap= is for x86, and Debian has grub-emu for nothing else.
	...(process.arch === 'x64' && { 'grub-mkconfig': 'grub-common', 'grub-emu': 'grub-emu' }),
	// The addon for the arm64 guest.
	...(process.arch === 'x64' && { 'aarch64-linux-gnu-g++': 'g++-aarch64-linux-gnu' }),
};

/** Debian's names of what the tests would like to have. */
export function missingTestPackages() {
	return Object.keys(testPrograms)
		.filter((name) => !hasProgram(name))
		.map((name) => testPrograms[name]);
}

/** Debian's names of what `npm run check` needs for the C++ and this machine does not have. */
export function missingCheckPackages() {
	const missing = [];
	if (!process.env.CXX && !hasProgram('g++')) missing.push('g++');
	if (!hasProgram('clang-tidy')) missing.push('clang-tidy');
	return missing;
}

/** Whether this is CI, where nobody reads along and a skip is a failure. */
export const isCI = /^(1|true)$/.test(process.env.CI ?? '');

/** Whether this process could install packages: root, where apt-get is. */
const isAble = () => process.getuid?.() === 0 && hasProgram('apt-get');

/** Whether this process may install packages: it is able to, and was told to. */
export const canInstall = () => isAble() && (isCI || process.argv.includes('--yes'));

/** The programs of every VM by their packages, for a clone whose lib/vm, which knows all, is not compiled yet. */
export const vmPrograms = {
	'qemu-system-x86_64': 'qemu-system-x86',
	busybox: 'busybox-static',
	modprobe: 'kmod',
	depmod: 'kmod',
	xz: 'xz-utils',
	setpriv: 'util-linux',
	setsid: 'util-linux',
	env: 'coreutils',
	'mkfs.ext4': 'e2fsprogs',
	'mkfs.ext2': 'e2fsprogs',
	'mkfs.xfs': 'xfsprogs',
	'mkfs.erofs': 'erofs-utils',
};

/** Debian's names of what certainly is missing for the VM, found by the programs' names alone. */
export function missingVmPrograms() {
	const missing = Object.keys(vmPrograms).filter(
		(name) => !hasProgram(name, { also: ['/usr/local/sbin', '/usr/sbin', '/sbin'] }),
	);
	return [...new Set(missing.map((name) => vmPrograms[name]))];
}

/** The command that installs the packages, for a person to run. */
export function installCommand(packages) {
	if (!hasProgram('apt-get')) return `install what these Debian packages hold: ${packages.join(' ')}`;
	const sudo = process.getuid?.() === 0 ? '' : 'sudo ';
	return `${sudo}apt-get update && ${sudo}apt-get install -y --no-install-recommends ${packages.join(' ')}`;
}

/** What a root user may do instead of typing the command. */
export const yesHint = () =>
	isAble() ? '\n(npm test, npm start and npm run build do that themselves if you add: -- --yes)' : '';

/** Tells a person which packages are missing, and what brings them. */
export const missingMessage = (packages) =>
	`These packages are missing: ${packages.join(', ')}. Run this, then try again:\n  ${installCommand(packages)}`;

/**
 * Installs packages, and says before it does.
 *
 * @throws StepError with the command to run, when this process may not install, or installing fails.
 */
export async function install(packages) {
	if (!canInstall()) throw new StepError(missingMessage(packages) + yesHint());
	console.log(`These packages are missing, and are installed now: ${packages.join(', ')}`);
	const options = { env: { DEBIAN_FRONTEND: 'noninteractive' } };
	const wait = ['-o', 'DPkg::Lock::Timeout=300'];
	await step('package lists (apt-get update)', 'apt-get', [...wait, 'update'], options);
	const args = [...wait, 'install', '-y', '--no-install-recommends', ...packages];
	await step(`packages (${packages.length}, apt-get install)`, 'apt-get', args, options);
}
