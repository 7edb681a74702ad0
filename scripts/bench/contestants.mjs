// The contestants, and how each is started: those in JavaScript with cells/cell.mjs, memkind and libpmem2 as C programs
// that are compiled here.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { canInstall, install, installCommand } from '../packages.mjs';
import { hasProgram, run } from '../steps.mjs';

const at = (name) => fileURLToPath(new URL(name, import.meta.url));
const compiler = process.env.CC ?? 'cc';
const compilerPackages = ['gcc', 'libc6-dev'];

/** The libraries that programs in C call, each in a folder of its own name. */
const libraries = {
	memkind: {
		library: 'libmemkind-dev',
		absent: /memkind\.h|cannot find -lmemkind/,
		flags: ['-lmemkind', '-lm', '-lpthread'],
	},
	libpmem2: { library: 'libpmem2-dev', absent: /libpmem2\.h|cannot find -lpmem2/, flags: ['-lpmem2'] },
};

/** The contestants in JavaScript: kinds with Buffers and with raw handles, Node's own functions, then caches. */
const allocators = ['daxkind', 'raw', 'allocUnsafe', 'allocUnsafeSlow', 'alloc'];
const names = [...allocators, 'daxkind-lru', 'lru-cache', 'map', 'keyv', 'lmdb', 'copy'];

const inNode = (name) => ({ name, program: process.execPath, args: [at('cells/cell.mjs'), name] });

/**
 * The compiled program, in a directory that is removed when the benchmark ends. Or the reason why there is none, and the
 * packages that are missing.
 */
async function compile(name) {
	const { library, absent, flags } = libraries[name];
	if (!hasProgram(compiler)) return { reason: 'there is no C compiler', missing: [...compilerPackages, library] };
	const directory = mkdtempSync(join(tmpdir(), 'daxkind-bench-'));
	process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
	const program = join(directory, name);
	const sources = readdirSync(at(name)).filter((source) => source.endsWith('.c'));
	const args = ['-O2', '-o', program, ...sources.map((source) => at(`${name}/${source}`)), ...flags];
	const { status, output } = await run(compiler, args, { capture: true });
	if (status === 0) return { program };
	if (absent.test(output)) return { reason: 'it is not installed', missing: [library] };
	return { reason: `the program in ${name}/ does not compile: ${output.trim()}` };
}

async function findLibrary(name) {
	let { program, reason, missing } = await compile(name);
	if (missing && canInstall()) {
		await install(missing);
		({ program, reason, missing } = await compile(name));
	}
	if (program) return { contestant: { name, program, args: [name] } };
	return { reason: `${name} is left out: ${reason}${missing ? `. Fix:\n  ${installCommand(missing)}` : ''}` };
}

/**
 * @param wanted The names of those that take part.
 * @returns The contestants, and a line about those that cannot take part.
 */
export async function findContestants(wanted) {
	const contestants = names.filter((name) => wanted.has(name)).map(inNode);
	const reasons = [];
	for (const name of Object.keys(libraries)) {
		if (!wanted.has(name)) continue;
		const { contestant, reason } = await findLibrary(name);
		if (contestant) contestants.push(contestant);
		else reasons.push(reason);
	}
	return { contestants, ...(reasons.length > 0 && { missing: reasons.join('\n') }) };
}
