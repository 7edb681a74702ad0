// The C programs beside this file. Each is compiled when it is first wanted.
import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { spawnSync } from './children.ts';

const directory = mkdtempSync(join(tmpdir(), 'daxkind-compiled-'));

/** What makes a library for LD_PRELOAD of a program. */
export const libraryFlags: readonly string[] = ['-shared', '-fPIC'];

/** Compiles a program, and returns its path. `problem` says why it could not be compiled. */
export function compiled(name: string, flags: readonly string[] = []): { program: string; problem?: string } {
	const program = join(directory, name);
	if (existsSync(program)) return { program };
	const source = fileURLToPath(new URL(`${name}.c`, import.meta.url));
	const words = ['-O1', '-Wall', '-Werror', ...flags, '-o', program, source];
	const { status, stderr, error } = spawnSync('cc', words, { encoding: 'utf8' });
	if (error) return { program, problem: `no C compiler: ${error.message}` };
	if (status !== 0) return { program, problem: stderr };
	return { program };
}
