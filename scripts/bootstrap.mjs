// Makes what a command needs, if it is missing or older than its sources: dependencies, packages of the system, the
// compiled TypeScript, the native addon. If nothing is to do, it takes some milliseconds and prints nothing.
import { existsSync, lstatSync, mkdirSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isInRange, supportedNode } from './engines.mjs';
import { nodeDirectory } from './headers.mjs';
import { withLock } from './lock.mjs';
import {
	canInstall,
	install,
	installCommand,
	missingBuildPackages,
	missingTestPackages,
	yesHint,
} from './packages.mjs';
import { npm, root, StepError, step, tool } from './steps.mjs';

const at = (...path) => join(root, ...path);
const addon = at('build/Release/daxkind.node');
const compiled = at('build/.typescript');
const installed = at('node_modules/.package-lock.json');

/** The time of the last change below a path. A directory counts too, so that a deleted file is a change. */
function newest(path) {
	const stats = statSync(path, { throwIfNoEntry: false });
	if (!stats) return 0;
	if (!stats.isDirectory()) return stats.mtimeMs;
	return readdirSync(path).reduce((latest, name) => Math.max(latest, newest(join(path, name))), stats.mtimeMs);
}

const modified = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
/** Whether a product is missing, or older than a source below the root. */
const isOlder = (product, ...sources) => modified(product) < Math.max(...sources.map((source) => newest(at(source))));

/** The file of the binary that the package ships for an architecture. `npm run prebuilds` makes it. */
export const prebuiltBinary = (arch) => at(`prebuilds/linux-${arch}/daxkind.glibc.node`);

/** Whether that file is there, and no source is newer. */
export const isPrebuilt = (arch) =>
	!isOlder(prebuiltBinary(arch), 'native', 'scripts/prebuild', 'scripts/prebuild.mjs');

const isLink = (path) => lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;

const isStale = {
	// A node_modules that is a link, as in a second work tree, is another folder's. `npm ci` would empty that folder.
	dependencies: () => !isLink(at('node_modules')) && isOlder(installed, 'package-lock.json'),
	typescript: () => !existsSync(at('dist/index.js')) || isOlder(compiled, 'lib', 'tsconfig.json'),
	// Without a binary of its own, a clone uses the one that the package ships, as its users do. That is how CI tests it.
	native: () => (existsSync(addon) ? isOlder(addon, 'native', 'binding.gyp') : !isPrebuilt(process.arch)),
};

async function installDependencies() {
	const started = new Date();
	// This installs the versions of the lock file and no others. With NODE_ENV=production, npm would leave out the
	// compiler. The scripts of the dependencies only make them a little faster. This package's own `prepare` would
	// start another bootstrap inside this one.
	const args = ['ci', '--include=dev', '--ignore-scripts', '--no-audit', '--no-fund'];
	const [program, ...first] = npm;
	await step('dependencies (npm ci)', program, [...first, ...args]);
	// npm does not touch the file when everything was there.
	utimesSync(installed, started, started);
}

/** Deletes compiled files whose source is gone, so that nobody imports them by mistake. */
function removeOrphans() {
	if (!existsSync(at('dist'))) return;
	for (const name of readdirSync(at('dist'), { recursive: true })) {
		const source = String(name).replace(/(\.d\.ts|\.js)(\.map)?$/, '.ts');
		if (source !== name && !existsSync(at('lib', source))) rmSync(at('dist', String(name)));
	}
}

async function compileTypeScript() {
	const started = new Date();
	removeOrphans();
	await step('TypeScript (tsc)', process.execPath, [tool.tsc, '-p', root]);
	mkdirSync(at('build'), { recursive: true });
	writeFileSync(compiled, '');
	// A source that was edited while the compiler ran has to be newer than this.
	utimesSync(compiled, started, started);
}

async function buildAddon() {
	const started = new Date();
	const nodedir = `--nodedir=${nodeDirectory()}`;
	await step('native addon (node-gyp)', process.execPath, [tool.nodeGyp, 'configure', 'build', nodedir, '--jobs=max']);
	// The same here. Besides, make does not touch the binary if a change does not concern it.
	utimesSync(addon, started, started);
}

/**
 * Asks lib/vm which packages the VM needs and this machine lacks. Where packages may be installed, adds those that the
 * tests use.
 */
async function missingForVm() {
	const { fileSystems, missingVmPackages } = await import('#lib/vm/index.js');
	// A user who cannot install virtiofsd can hardly use it, because it needs root. The suite is useful without it.
	return canInstall() ? [...missingVmPackages(), ...missingTestPackages()] : missingVmPackages(fileSystems);
}

function checkMachine() {
	if (process.platform !== 'linux') throw new StepError(`daxkind needs Linux; this is ${process.platform}.`);
	if (isInRange(process.versions.node, supportedNode)) return;
	throw new StepError(`daxkind needs Node ${supportedNode}; this is ${process.version}.`);
}

/**
 * Makes what is missing.
 *
 * @param options `vm`: also what the VM needs. `native: false`: without the addon, which is enough to check sources.
 * @returns A message: why the VM cannot run on this machine, and the command that fixes it if there is one. Undefined if
 * it can run, or if `vm` is not set.
 * @throws StepError when something that is needed cannot be made. The message says what to do.
 */
export async function bootstrap({ vm = false, native = true } = {}) {
	checkMachine();
	if (isStale.dependencies() || isStale.typescript()) {
		await withLock(root, async () => {
			if (isStale.dependencies()) await installDependencies();
			if (isStale.typescript()) await compileTypeScript();
		});
	}
	const obstacle = await lookForPackages({ vm, native });
	if (native && isStale.native()) {
		await withLock(root, async () => {
			if (isStale.native()) await buildAddon();
		});
	}
	return obstacle;
}

/**
 * Looks for missing packages of the build and the VM before the addon is built and before any test runs, because both
 * take minutes. Installs them all, or prints the one command that does.
 *
 * @returns What bootstrap returns.
 * @throws StepError with that command if nothing can be built without them.
 */
async function lookForPackages({ vm, native }) {
	const forBuild = native && isStale.native() ? missingBuildPackages() : [];
	const hasVm = process.arch === 'x64';
	const forVm = vm && hasVm ? await missingForVm() : [];
	const missing = [...forBuild, ...forVm];
	if (missing.length > 0 && (canInstall() || forBuild.length > 0)) await install(missing);
	else if (missing.length > 0) {
		const obstacle = `The VM needs packages that are missing: ${forVm.join(', ')}. Fix:\n  ${installCommand(forVm)}`;
		console.log(`${obstacle}${yesHint()}\n`);
		return obstacle;
	}
	if (vm && !hasVm) return `The VM needs an x86-64 machine; this is ${process.arch}.`;
	return undefined;
}
