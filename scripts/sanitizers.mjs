// The sanitizers of this machine's compiler: whether it has them, what a program needs to run with them, and which of
// their reports are about our code.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { installCommand } from './packages.mjs';
import { hasProgram, root, run } from './steps.mjs';

/** Something that cannot be done on this machine, with the command that fixes it. */
export class Obstacle extends Error {
	constructor(reason, packages) {
		super(`${reason}. Fix:\n  ${installCommand(packages)}`);
		this.packages = packages;
	}
}

/** The C++ compiler: $CXX, or the first that this machine has. */
export const compiler = process.env.CXX ?? (['g++', 'clang++', 'c++'].find(hasProgram) || 'g++');

/** The compiler's program and its first arguments, because $CXX may be `ccache g++`. */
export const compilerWords = compiler.trim().split(/\s+/);

function ask(...args) {
	const [program, ...first] = compilerWords;
	return execFileSync(program, [...first, ...args], { encoding: 'utf8' }).trim();
}

const isClang = () => ask('--version').includes('clang');

function packagesOf() {
	const major = ask('-dumpversion').split('.')[0];
	return isClang() ? [`libclang-rt-${major}-dev`] : [`libgcc-${major}-dev`];
}

/**
 * Compiles and runs a small program to find out whether a sanitizer works here.
 *
 * @param sanitize A list for -fsanitize.
 * @returns The command that has to stand before a program's own. It is empty on most machines.
 * @throws Obstacle
 */
export async function launcherFor(sanitize) {
	const directory = join(root, 'build/native-test');
	mkdirSync(directory, { recursive: true });
	const program = join(directory, `probe-${sanitize}`);
	writeFileSync(`${program}.cc`, 'int main() {}\n');
	const [compile, ...first] = compilerWords;
	const args = [...first, `-fsanitize=${sanitize}`, '-o', program, `${program}.cc`];
	const built = await run(compile, args, { capture: true });
	if (built.status === 127) throw new Obstacle('There is no C++ compiler', ['g++']);
	if (built.status !== 0) throw new Obstacle(`${compiler} has no library for -fsanitize=${sanitize}`, packagesOf());
	// Some kernels scatter mappings widely. The ThreadSanitizer of older compilers then finds no room for its own.
	const launchers = [
		[],
		...(hasProgram('setarch') ? [['setarch', process.arch === 'x64' ? 'x86_64' : 'aarch64', '-R']] : []),
	];
	let output = '';
	for (const launcher of launchers) {
		const [first, ...rest] = [...launcher, program];
		const probe = await run(first, rest, { capture: true });
		if (probe.status === 0) return launcher;
		output ||= probe.output;
	}
	throw new Error(`A program with -fsanitize=${sanitize} does not run here: ${output.trim()}`);
}

/** The environment in which Node can load an addon that was built with -fsanitize=address. */
export function environmentOfAddon() {
	const name = isClang() ? `libclang_rt.asan-${process.arch === 'x64' ? 'x86_64' : 'aarch64'}.so` : 'libasan.so';
	const library = ask(`-print-file-name=${name}`);
	// The C++ library has to be there as well, because the sanitizer looks for its functions as soon as it is loaded.
	return { LD_PRELOAD: `${library} ${ask('-print-file-name=libstdc++.so.6')}` };
}

/** The flags to link a shared library whose sanitizer comes from outside. */
export const sharedFlags = () => (isClang() ? ['-shared-libasan'] : []);

const ownSources = /\bnative\/[a-z]+\/|daxkind\.node/;

/** The leaks in a log of LeakSanitizer that have to do with the addon. Node's own leaks are left out. */
export function ownLeaks(log) {
	const reports = log.split(/\n\s*\n/).filter((report) => /^(Direct|Indirect) leak of /m.test(report));
	return reports.filter((report) => ownSources.test(report));
}

/**
 * The reports of valgrind that are about the addon: its code is nearer to the fault than Node's. Reports about V8 are
 * left out, because V8 scans its stack for pointers and uses uninitialised memory.
 */
export function ownErrors(path) {
	const lines = readFileSync(path, 'utf8').split('\n');
	const reports = lines
		.map((line) => line.replace(/^==\d+== ?/, ''))
		.join('\n')
		.split(/\n\s*\n/);
	const node = `(in ${process.execPath})`;
	return reports.filter((report) => {
		const frames = report.split('\n').filter((line) => /^ +(at|by) 0x/.test(line));
		const ours = frames.findIndex((frame) => /daxkind/.test(frame));
		const nodes = frames.findIndex(
			(frame) => frame.endsWith(node) || frame.endsWith(`/${basename(process.execPath)})`),
		);
		return ours >= 0 && (nodes < 0 || ours < nodes);
	});
}
