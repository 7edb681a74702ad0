// Other versions of Node, and Node for another architecture, from npm: the packages `node-linux-<arch>`, which the
// package `node` installs, too. They are kept in the cache folder of the VM's kernels, so that each is downloaded only
// once.
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { npm } from './steps.mjs';

// Not steps.mjs's `run`, which mixes what a program prints with its warnings.
const run = promisify(execFile);
const runNpm = (...args) => run(npm[0], [...npm.slice(1), ...args], { maxBuffer: 2 ** 26 });

/**
 * Returns a Node from the cache. If it is not there, downloads it from the registry of npm's configuration. That takes
 * some seconds to a minute.
 *
 * @param version As in npm: 26 is the newest 26, and 20.19.0 is just that. The newest one is looked up each time.
 * @returns The path of its program.
 * @throws What npm or tar says, for example when the registry cannot be reached.
 */
export async function nodeOf(version, arch = process.arch) {
	const name = `node-linux-${arch}`;
	const { stdout } = await runNpm('view', '--json', `${name}@${version}`, 'version');
	const found = [JSON.parse(stdout)].flat().at(-1);
	// This is a compiled file. It is imported here because scripts load nodes.mjs before they have compiled anything.
	const { cacheDirectory } = await import('#lib/vm/cache.js');
	const cache = join(cacheDirectory(), 'node');
	const folder = join(cache, `${name}-${found}`);
	const program = join(folder, 'bin/node');
	if (existsSync(program)) return program;
	mkdirSync(cache, { recursive: true });
	const draft = mkdtempSync(join(cache, 'draft-'));
	try {
		await runNpm('pack', '--silent', '--pack-destination', draft, `${name}@${found}`);
		const [archive] = readdirSync(draft);
		await run('tar', ['-xzf', join(draft, archive), '-C', draft, '--strip-components=1', 'package/bin/node']);
		rmSync(join(draft, archive));
		renameSync(draft, folder);
	} catch (error) {
		rmSync(draft, { recursive: true, force: true });
		// Another process may have been faster.
		if (!existsSync(program)) throw error;
	}
	return program;
}
