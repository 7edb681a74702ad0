// The packages of the system that a build or the VM needs: installs what is missing as root on Debian and Ubuntu, and
// otherwise says the one command that does.
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
	// GRUB's tools without a boot loader. memmap= is for x86, and Debian has grub-emu for nothing else.
	...(process.arch === 'x64' && { 'grub-mkconfig': 'grub-common', 'grub-emu': 'grub-emu' }),
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

/** Whether this process may install packages: root, where apt-get is. */
export const canInstall = () => process.getuid?.() === 0 && hasProgram('apt-get');

/** The command that installs the packages, for a person to run. */
export function installCommand(packages) {
	if (!hasProgram('apt-get')) return `install what these Debian packages hold: ${packages.join(' ')}`;
	const sudo = process.getuid?.() === 0 ? '' : 'sudo ';
	return `${sudo}apt-get update && ${sudo}apt-get install -y --no-install-recommends ${packages.join(' ')}`;
}

/**
 * Installs packages.
 *
 * @throws StepError with the command to run, when this process may not install, or installing fails.
 */
export async function install(packages) {
	if (!canInstall()) {
		throw new StepError(
			`These packages are missing: ${packages.join(', ')}. Run this, then try again:\n  ${installCommand(packages)}`,
		);
	}
	const options = { env: { DEBIAN_FRONTEND: 'noninteractive' } };
	const wait = ['-o', 'DPkg::Lock::Timeout=300'];
	await step('package lists (apt-get update)', 'apt-get', [...wait, 'update'], options);
	const args = [...wait, 'install', '-y', '--no-install-recommends', ...packages];
	await step(`packages (${packages.length}, apt-get install)`, 'apt-get', args, options);
}
