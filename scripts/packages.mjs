// The packages of the system that a build or the VM needs. On Debian and Ubuntu, root installs missing packages in CI
// (CI=true) or with --yes. Everybody else is told the one command that installs them.
import { hasProgram, StepError, step } from './steps.mjs';

/** Debian's names of the packages that node-gyp needs and this machine does not have. */
export function missingBuildPackages() {
	const missing = [];
	if (!hasProgram(process.env.PYTHON ?? 'python3') && !hasProgram('python')) missing.push('python3');
	if (!hasProgram(process.env.MAKE ?? 'make')) missing.push('make');
	if (!process.env.CXX && !hasProgram('g++')) missing.push('g++');
	return missing;
}

/** Programs that tests use or compare with, and their packages. The tests of a missing program are skipped. */
const testPrograms = {
	...{ ndctl: 'ndctl', daxctl: 'daxctl', dmsetup: 'dmsetup', 'mkfs.btrfs': 'btrfs-progs' },
	// The second level of examples/layered-cache.
	'redis-server': 'redis-server',
	// To make the package's arm64 binary, and to try it with a Node for arm64, also in an arm64 guest.
	...(process.arch === 'x64' && {
		'aarch64-linux-gnu-g++': 'g++-aarch64-linux-gnu',
		'qemu-aarch64-static': 'qemu-user-static',
	}),
	// GRUB's tools, without a boot loader. memmap= exists only on x86, and so does Debian's grub-emu.
	...(process.arch === 'x64' && { 'grub-mkconfig': 'grub-common', 'grub-emu': 'grub-emu' }),
};

/** Debian's names of the packages that tests use and this machine does not have. */
export function missingTestPackages() {
	return Object.keys(testPrograms)
		.filter((name) => !hasProgram(name))
		.map((name) => testPrograms[name]);
}

/** Debian's names of the packages that `npm run check` needs for the C++ and this machine does not have. */
export function missingCheckPackages() {
	const missing = [];
	if (!process.env.CXX && !hasProgram('g++')) missing.push('g++');
	if (!hasProgram('clang-tidy')) missing.push('clang-tidy');
	return missing;
}

/** Whether this is CI. Nobody reads the output there, so a skipped suite is a failure. */
export const isCI = /^(1|true)$/.test(process.env.CI ?? '');

/** Whether this process is able to install packages: it is root, and there is an apt-get. */
const isAble = () => process.getuid?.() === 0 && hasProgram('apt-get');

/** Whether this process may install packages: it is able to, and a person or CI has told it to. */
export const canInstall = () => isAble() && (isCI || process.argv.includes('--yes'));

/** The command that installs the packages, to be shown to a person. */
export function installCommand(packages) {
	if (!hasProgram('apt-get')) return `install the programs of these Debian packages: ${packages.join(' ')}`;
	const sudo = process.getuid?.() === 0 ? '' : 'sudo ';
	return `${sudo}apt-get update && ${sudo}apt-get install -y --no-install-recommends ${packages.join(' ')}`;
}

/** What root can do instead of typing the command. */
export const yesHint = () =>
	isAble() && !canInstall() ? '\n(Every npm script of this project does that itself if you add: -- --yes)' : '';

/** A message for a person: which packages are missing, and the command that installs them. */
export const missingMessage = (packages) =>
	`These packages are missing: ${packages.join(', ')}. Fix:\n  ${installCommand(packages)}`;

/**
 * Installs packages, and announces it first.
 *
 * @throws StepError with the command to run, if this process may not install packages, or if the installation fails.
 */
export async function install(packages) {
	if (!canInstall()) throw new StepError(missingMessage(packages) + yesHint());
	console.log(`Installing the packages that are missing: ${packages.join(', ')}`);
	const options = { env: { DEBIAN_FRONTEND: 'noninteractive' } };
	const wait = ['-o', 'DPkg::Lock::Timeout=300'];
	await step('package lists (apt-get update)', 'apt-get', [...wait, 'update'], options);
	const args = [...wait, 'install', '-y', '--no-install-recommends', ...packages];
	await step(`packages (${packages.length}, apt-get install)`, 'apt-get', args, options);
}
