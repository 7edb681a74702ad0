// Makes the package's binaries load with glibc 2.28, the oldest one that Node itself loads with. glibc 2.34 moved
// functions from libpthread and libdl into libc and gave them a new version, and the linker takes the newest version
// that it sees. So the linker is first shown libraries that have these functions in their old versions, and no code.
// The dynamic linker of any later glibc finds the real functions by that name and version. floor.c, beside this file,
// has the functions that did not exist at all.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, step } from '../steps.mjs';

/** The newest version of glibc that a binary of the package may need. */
export const glibcFloor = '2.28';

/** glibc's first version for the architecture. Everything that it had from the start has this version. */
const firstVersion = { x64: '2.2.5', arm64: '2.17' };

/**
 * By library: functions that the addon calls and that were in the library before glibc 2.34, with their first versions.
 */
const moved = {
	'libpthread.so.0': {
		first: [
			...['pthread_attr_setstacksize', 'pthread_create', 'pthread_mutex_trylock', 'pthread_once', 'pthread_sigmask'],
			...['sem_init', 'sem_post', 'sem_timedwait', 'sem_trywait', 'sem_wait'],
		],
		2.12: ['pthread_setname_np'],
	},
	'libdl.so.2': { first: ['dlsym'] },
};

/** The version nodes of a library as a version script, oldest first. No node is older than the architecture. */
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
 * Makes the libraries for the linker, with the C compiler of the architecture.
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

/** A source that is linked into each binary. */
export const floorSource = join(root, 'scripts/prebuild/floor.c');
