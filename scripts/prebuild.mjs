// npm run prebuilds (`prebuild` would be a hook of `build`): makes the binaries that the package ships,
// prebuilds/linux-<arch>/. Each is for every Linux with glibc that Node itself runs on. A binary is checked by reading
// it, and the one for this machine by loading it, too.
//
// `--here`: makes only that one, which is enough for an install from git. `--if-needed`: makes those that are missing
// or older than their sources, as far as this machine has compilers; `npm pack` does that. They are built in
// build/prebuild/, away from build/Release.
import { copyFileSync, existsSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { bootstrap, isPrebuilt, prebuiltBinary } from './bootstrap.mjs';
import { nodeDirectory } from './headers.mjs';
import { withLock } from './lock.mjs';
import { canInstall, install, missingBuildPackages, missingMessage } from './packages.mjs';
import { compareVersions, readBinary } from './prebuild/binary.mjs';
import { floorSource, glibcFloor, oldLibraries } from './prebuild/glibc.mjs';
import { hasProgram, main, root, run, StepError, step, tool } from './steps.mjs';

/**
 * For each architecture: the prefix of Debian's compilers, and the package of its compiler on a machine of another
 * architecture.
 */
const targets = {
	x64: { triplet: 'x86_64-linux-gnu', crossPackage: 'g++-x86-64-linux-gnu' },
	arm64: { triplet: 'aarch64-linux-gnu', crossPackage: 'g++-aarch64-linux-gnu' },
};

/**
 * The commands of the C and the C++ compiler. The cross compiler goes through ccache if this machine's compiler does.
 */
function compilers(arch) {
	const { CC: cc = 'gcc', CXX: cxx = 'g++' } = process.env;
	if (arch === process.arch) return { cc, cxx };
	const ccache = cxx.startsWith('ccache ') ? 'ccache ' : '';
	return { cc: `${ccache}${targets[arch].triplet}-gcc`, cxx: `${ccache}${targets[arch].triplet}-g++` };
}

function missingPackages(arch) {
	const isMissing = arch !== process.arch && !hasProgram(`${targets[arch].triplet}-g++`);
	return [...missingBuildPackages(), ...(isMissing ? [targets[arch].crossPackage] : [])];
}

async function build(arch) {
	const started = new Date();
	const directory = join(root, `build/prebuild/linux-${arch}`);
	mkdirSync(directory, { recursive: true });
	const { cc, cxx } = compilers(arch);
	const libraries = await oldLibraries(arch, cc, join(directory, 'old'));
	const target = {
		includes: ['../../../native/addon.gypi'],
		sources: [relative(directory, floorSource)],
		// The libraries come before the objects, because the linker takes a function from the first library that has
		// it. `-s` strips.
		ldflags: ['-Wl,--no-as-needed', ...libraries, '-s'],
	};
	const gyp = { variables: { native: '../../../native' }, targets: [target] };
	writeFileSync(join(directory, 'binding.gyp'), JSON.stringify(gyp, undefined, '\t'));
	const place = [`--directory=${directory}`, `--nodedir=${nodeDirectory()}`, `--arch=${arch}`, '--jobs=max'];
	await step(`binary for ${arch} (node-gyp)`, process.execPath, [tool.nodeGyp, 'configure', 'build', ...place], {
		env: { CC: cc, CXX: cxx },
	});
	const path = prebuiltBinary(arch);
	mkdirSync(join(path, '..'), { recursive: true });
	copyFileSync(join(directory, 'build/Release/daxkind.node'), path);
	// A source that was edited while the compiler ran has to be newer than this.
	utimesSync(path, started, started);
}

async function check(arch) {
	const path = prebuiltBinary(arch);
	const name = relative(root, path);
	const binary = readBinary(path);
	if (binary.arch !== arch) throw new StepError(`${name} is for ${binary.arch}`);
	if (compareVersions(binary.glibc, glibcFloor) > 0) {
		const functions = binary.newest.join(', ');
		throw new StepError(
			`${name} needs glibc ${binary.glibc} instead of ${glibcFloor}, because of ${functions}.\n` +
				'Fix: name them in scripts/prebuild/glibc.mjs if they moved, or write them in scripts/prebuild/floor.c if they are new.',
		);
	}
	let loaded = '';
	if (arch === process.arch) {
		const script = `const exported = Object.keys(require(${JSON.stringify(path)})).length; if (exported === 0) process.exit(1)`;
		const { status, output } = await run(process.execPath, ['-e', script], { capture: true });
		if (status !== 0) throw new StepError(`${name} does not load, or exports nothing:\n${output}`);
		loaded = ', loads here';
	}
	console.log(`${name}: glibc ${binary.glibc}${loaded}`);
}

/** Makes binaries. @param options The options of this script. */
async function make({ isHere, isIfNeeded }) {
	for (const arch of isHere ? [process.arch] : Object.keys(targets)) {
		const path = prebuiltBinary(arch);
		if (isIfNeeded && isPrebuilt(arch)) continue;
		const missing = missingPackages(arch);
		if (isIfNeeded && arch !== process.arch && missing.length > 0 && !canInstall()) {
			const state = existsSync(path) ? 'is older than its sources' : 'is not there';
			console.error(
				`${relative(root, path)} ${state}: this machine has no compiler for ${arch} (${missing.join(', ')})`,
			);
			continue;
		}
		// With `--here` this runs as npm's `prepare` in somebody else's project. Nothing is installed there, not even
		// in their CI.
		if (isHere && missing.length > 0) throw new StepError(missingMessage(missing));
		if (missing.length > 0) await install(missing);
		await build(arch);
		await check(arch);
	}
}

await main(async (args) => {
	await bootstrap({ native: false });
	if (targets[process.arch] === undefined) throw new StepError(`daxkind is not made for ${process.arch}`);
	const options = { isHere: args.includes('--here'), isIfNeeded: args.includes('--if-needed') };
	await withLock(root, () => make(options));
});
