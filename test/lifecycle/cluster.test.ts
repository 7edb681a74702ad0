// A cluster: every process has its own kinds, and none of another process, whatever becomes of the others.
import { mkdtempSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { spawn } from '../helpers/children.ts';
import { testDirectory } from '../helpers/directory.ts';
import { holders, until } from '../helpers/process.ts';

const root = testDirectory();
const program = fileURLToPath(new URL('programs/cluster.mjs', import.meta.url));

test('the primary has a kind open, workers make theirs and end in every way, and nobody has what is not his', async () => {
	const directory = mkdtempSync(`${root}/`);
	const primary = spawn(process.execPath, [program, directory]);
	const exit = new Promise((resolve) => primary.once('exit', (status, signal) => resolve(signal ?? status)));
	const [stdout, stderr] = await Promise.all([text(primary.stdout), text(primary.stderr)]);
	expect(await exit).toBe(0);
	expect(stderr.match(/^\w*Error.*$/gm)).toEqual(['Error: on purpose']);
	// What a worker held before and after it made a kind, whether its blocks were whole, its status and its signal.
	const worker = (name: string, status: number | null, signal: string | null) => [
		[],
		[name, name],
		true,
		status,
		signal,
	];
	expect(JSON.parse(stdout)).toEqual({
		whileAllLive: ['primary', 'primary'],
		ends: {
			ends: worker('ends', 0, null),
			exits: worker('exits', 7, null),
			throws: worker('throws', 1, null),
			'is killed': worker('is killed', null, 'SIGKILL'),
			'is disconnected': worker('is disconnected', 0, null),
		},
		isIntact: true,
		blocks: 3,
	});
	await until(() => holders(directory).length === 0);
});
