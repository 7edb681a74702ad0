// The contestants, and how each is started: those in JavaScript with cells/cell.mjs, memkind as a C program that is
// compiled here.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { canInstall, install, installCommand } from '../packages.mjs';
import { hasProgram, run } from '../steps.mjs';

const at = (name) => fileURLToPath(new URL(name, import.meta.url));
const compiler = process.env.CC ?? 'cc';
const packages = { compiler: ['gcc', 'libc6-dev'], memkind: ['libmemkind-dev'] };

/** The contestants in JavaScript: kinds with Buffers and with raw handles, then Node's own functions. */
const names = ['daxkind', 'raw', 'allocUnsafe', 'allocUnsafeSlow', 'alloc'];

const inNode = (name) => ({ name, program: process.execPath, args: [at('cells/cell.mjs'), name] });

/**
 * The compiled program, in a directory that is removed when the benchmark ends. Or the reason why there is none, and the
 * packages that are missing.
 */
async function compileMemkind() {
	if (!hasProgram(compiler))
		return { reason: 'there is no C compiler', missing: [...packages.compiler, ...packages.memkind] };
	const directory = mkdtempSync(join(tmpdir(), 'daxkind-bench-'));
	process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
	const program = join(directory, 'memkind');
	const sources = readdirSync(at('memkind')).filter((name) => name.endsWith('.c'));
	const args = ['-O2', '-o', program, ...sources.map((name) => at(`memkind/${name}`)), '-lmemkind', '-lm', '-lpthread'];
	const { status, output } = await run(compiler, args, { capture: true });
	if (status === 0) return { program };
	if (/memkind\.h|cannot find -lmemkind/.test(output))
		return { reason: 'it is not installed', missing: packages.memkind };
	return { reason: `the program in memkind/ does not compile: ${output.trim()}` };
}

/** @returns The contestants, and a line about those that cannot take part. */
export async function findContestants() {
	let { program, reason, missing } = await compileMemkind();
	if (missing && canInstall()) {
		await install(missing);
		({ program, reason, missing } = await compileMemkind());
	}
	if (missing) reason += `. Fix:\n  ${installCommand(missing)}`;
	const memkind = program ? [{ name: 'memkind', program, args: ['memkind'] }] : [];
	return {
		contestants: [...names.map(inNode), ...memkind],
		missing: reason && `memkind is left out: ${reason}`,
	};
}
