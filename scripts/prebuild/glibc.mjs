// Makes the package's binaries load with glibc 2.28, the oldest one that Node itself loads with. What moved from libpthread and
// libdl into libc in glibc 2.34 got a new version there, and the linker takes the newest that it sees. So it is shown
// libraries first that have these functions in their old versions, and nothing in them: a dynamic linker of any glibc
// since then finds the real ones by that name and version. floor.c beside this has what did not exist at all.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, step } from '../steps.mjs';

/** The newest version of glibc's that a binary of the package may ask for. */
export const glibcFloor = '2.28';

/** glibc's first version for the architecture: the one of everything that it had from the start. */
const firstVersion = { x64: '2.2.5', arm64: '2.17' };

/** By library: functions that the addon calls and that were in it before glibc 2.34, and the version they came with. */
const moved = {
	'libpthread.so.0': {
		first: [
			...['pthread_attr_setstacksize', 'pthread_create', 'pthread_once', 'pthread_sigmask'],
			...['sem_init', 'sem_post', 'sem_timedwait', 'sem_trywait', 'sem_wait'],
		],
		2.12: ['pthread_setname_np'],
	},
	'libdl.so.2': { first: ['dlsym'] },
};

/** Version nodes of a library, oldest first, as a version script; no node is older than the architecture. */
function nodes(functions, arch) {
	const byVersion = new Map();
	for (const [since, names] of Object.entries(functions)) {
		const isFirst = since === 'first' || arch === 'arm64';
		const version = isFirst ? firstVersion[arch] : since;
		byVersion.set(version, [...(byVersion.get(version) ?? []), ...names]);
	}
	return [...byVersion].map(([version, names]) => `GLIBC_${version} { ${names.join('; ')}; };`).join('\n');
}

/**
 * Makes the libraries to link with, by the C compiler of the architecture.
 *
 * @returns Their paths.
 */
export async function oldLibraries(arch, compiler, directory) {
	mkdirSync(directory, { recursive: true });
	const paths = [];
	for (const [name, functions] of Object.entries(moved)) {
		const source = join(directory, `${name}.c`);
		const script = join(directory, `${name}.map`);
		const path = join(directory, name);
		const names = Object.values(functions).flat();
		writeFileSync(source, names.map((name) => `void ${name}(void) {}\n`).join(''));
		writeFileSync(script, `${nodes(functions, arch)}\n`);
		const flags = [
			'-shared',
			'-nostdlib',
			'-fPIC',
			'-fno-builtin',
			'-w',
			`-Wl,-soname,${name},--version-script,${script}`,
		];
		const [program, ...first] = compiler.split(' ');
		await step(`${name} for ${arch}`, program, [...first, ...flags, '-o', path, source]);
		paths.push(path);
	}
	return paths;
}

/** What is linked into each binary besides. */
export const floorSource = join(root, 'scripts/prebuild/floor.c');
