// What a binary needs from the system that loads it, and what it exports. readelf reads it, which comes with every
// compiler.
import { execFileSync } from 'node:child_process';

/** Node's names of the machines that readelf prints. */
const machines = { 'Advanced Micro Devices X86-64': 'x64', AArch64: 'arm64' };

/**
 * Reads a shared library.
 *
 * @returns `arch`: the architecture as in `process.arch`. `needs`: the libraries it needs. `exported`: names that
 * others can use. `glibc`: the newest version of glibc that one of its functions needs. `newest`: the functions that
 * need that version.
 */
export function readBinary(path) {
	const options = { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' }, maxBuffer: 2 ** 26 };
	const text = execFileSync('readelf', ['-W', '-h', '-d', '--dyn-syms', path], options);
	const machine = /Machine:\s+(.+)/.exec(text)?.[1];
	const symbols = text
		.split('\n')
		// The columns: number, value, size, type, binding, visibility, section, name with the version.
		.map((line) => /^\s*\d+:\s+\S+\s+\S+\s+\S+\s+(?:GLOBAL|WEAK|UNIQUE)\s+\S+\s+(\S+)\s+(\S+)/.exec(line))
		.filter((match) => match !== null)
		.map(([, section, name]) => ({ isDefined: section !== 'UND', name }));
	const glibc = symbols
		.filter(({ isDefined }) => !isDefined)
		.map(({ name }) => /^(.+?)@+GLIBC_(\d+(?:\.\d+)*)/.exec(name))
		.filter((match) => match !== null)
		.map(([, name, version]) => ({ name, version }));
	const newest = glibc
		.map(({ version }) => version)
		.sort(compareVersions)
		.at(-1);
	return {
		arch: machines[machine] ?? machine,
		needs: [...text.matchAll(/\(NEEDED\).*\[(.+)\]/g)].map(([, name]) => name),
		exported: symbols.filter(({ isDefined }) => isDefined).map(({ name }) => name),
		glibc: newest,
		newest: glibc.filter(({ version }) => version === newest).map(({ name }) => name),
	};
}

/** Compares versions such as 2.4 and 2.28. */
export function compareVersions(one, other) {
	const [a, b] = [one, other].map((version) => version.split('.').map(Number));
	for (let i = 0; i < Math.max(a.length, b.length); i++) {
		const difference = (a[i] ?? 0) - (b[i] ?? 0);
		if (difference !== 0) return difference;
	}
	return 0;
}
