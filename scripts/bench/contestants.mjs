// Who takes part, and how each is started: the JavaScript ones by cell.mjs, memkind as a C program, compiled here.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { canInstall } from '../packages.mjs';
import { hasProgram, run } from '../steps.mjs';

const at = (name) => fileURLToPath(new URL(name, import.meta.url));
const compiler = process.env.CC ?? 'cc';
const library = 'libmemkind-dev';

/** What daxkind is compared with; its own row in the tables is the first. */
const others = ['allocUnsafe', 'allocUnsafeSlow', 'alloc'];

const inNode = (name) => ({ name, program: process.execPath, args: [at('cell.mjs'), name] });

/** The compiled program, in a directory that is gone when the benchmark ends; or why there is none. */
async function compileMemkind() {
	const apt = `${canInstall() ? '' : 'sudo '}apt-get install -y`;
	if (!hasProgram(compiler)) return { reason: `there is no C compiler; ${apt} gcc libc6-dev ${library}` };
	const directory = mkdtempSync(join(tmpdir(), 'daxkind-bench-'));
	process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
	const program = join(directory, 'memkind');
	const args = ['-O2', '-o', program, at('memkind.c'), '-lmemkind', '-lm'];
	const { status, output } = await run(compiler, args, { capture: true });
	if (status === 0) return { program };
	if (/memkind\.h|cannot find -lmemkind/.test(output)) return { reason: `it is not installed; ${apt} ${library}` };
	return { reason: `memkind.c does not compile: ${output.trim()}` };
}

/** @returns Who takes part, and a line about who does not. */
export async function findContestants() {
	const { program, reason } = await compileMemkind();
	const memkind = program ? [{ name: 'memkind', program, args: ['memkind'] }] : [];
	return {
		contestants: [inNode('daxkind'), ...memkind, ...others.map(inNode)],
		missing: reason && `memkind is left out: ${reason}`,
	};
}
