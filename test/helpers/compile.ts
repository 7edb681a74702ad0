// The programs in C beside this file, compiled when they are first wanted.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const directory = mkdtempSync(join(tmpdir(), 'daxkind-compiled-'));

/** Compiles a program; or why it cannot. */
export function compiled(name: string): { program: string; problem?: string } {
	const program = join(directory, name);
	if (existsSync(program)) return { program };
	const source = fileURLToPath(new URL(`${name}.c`, import.meta.url));
	const { status, stderr, error } = spawnSync('cc', ['-O1', '-Wall', '-Werror', '-o', program, source], {
		encoding: 'utf8',
	});
	if (error) return { program, problem: `no C compiler: ${error.message}` };
	if (status !== 0) return { program, problem: stderr };
	return { program };
}
