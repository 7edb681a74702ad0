// The core of test/lifecycle, on real DAX, where statfs shows what is left. Processes end in different ways with kinds
// open, and every byte belongs to the file system again.
import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { MIB } from '#lib/size.js';
import { ext4 } from '../helpers/guest.ts';
import { freeBytes, holders, settledFreeBytes, startChild, until } from '../helpers/process.ts';

const live = (options = '') => `
	globalThis.kind = PmemKind.create(process.argv[1], { maxSize: ${64 * MIB}, requireDax: true, ${options} });
	globalThis.blocks = [10, 5000, ${20 * MIB}].map((size) => kind.malloc(size).fill(1));`;

// A process takes ten seconds to start where there is no KVM. So there are only three, which do much each and start
// together.
const lives = {
	uncaught: `${live('mapSync: true')}
		process.stdin.once('end', () => { throw new Error('on purpose'); }).resume();
		console.log('ready');`,
	terminated: `${live()} setInterval(() => {}, 1000); console.log('ready');`,
	exits: `${live()}
		import { spawnSync } from 'node:child_process';
		import { once } from 'node:events';
		import { Worker } from 'node:worker_threads';
		const look = 'ls -l /proc/self/fd; cat /proc/self/maps';
		const { stdout } = spawnSync('sh', ['-c', look], { encoding: 'utf8' });
		console.log(stdout.length > 100, stdout.includes(process.argv[1] + '/'));
		const code = \`
			import { parentPort, workerData } from 'node:worker_threads';
			import { PmemKind } from 'daxkind';
			const kind = PmemKind.create(workerData, { maxSize: ${16 * MIB} });
			parentPort.postMessage('ready');
			for (;;) kind.free(kind.malloc(Math.random() * 9000 | 0));\`;
		const [first, second] = [1, 2].map(() => new Worker(code, { eval: true, workerData: process.argv[1], execArgv: [] }));
		await Promise.all([once(first, 'message'), once(second, 'message')]);
		await first.terminate();
		process.stdin.once('end', () => process.exit(7)).resume();
		console.log('ready');`,
};

test('an uncaught exception, SIGTERM, and process.exit in the middle of a worker give all storage on DAX back', async () => {
	const before = await settledFreeBytes(ext4);
	const names = readdirSync(ext4);
	const [uncaught, terminated, exits] = await Promise.all([
		startChild(lives.uncaught, ext4),
		startChild(lives.terminated, ext4),
		startChild(lives.exits, ext4),
	]);
	expect(holders(ext4).sort((a, b) => a.pid - b.pid)).toEqual(
		[
			{ pid: uncaught.pid, descriptors: 1, mappings: 1 },
			{ pid: terminated.pid, descriptors: 1, mappings: 1 },
			// It has its own kind, and that of the worker which lives.
			{ pid: exits.pid, descriptors: 2, mappings: 2 },
		].sort((a, b) => a.pid - b.pid),
	);
	expect(freeBytes(ext4)).toBeLessThanOrEqual(before - 60 * MIB);
	uncaught.go();
	exits.go();
	expect(await terminated.end('SIGTERM')).toEqual([null, 'SIGTERM']);
	expect(await uncaught.ended).toMatchObject({ status: 1, stderr: expect.stringContaining('\nError: on purpose\n') });
	expect(await exits.ended).toEqual({ status: 7, signal: null, stdout: 'true false\nready\n', stderr: '' });
	await until(() => holders(ext4).length === 0 && freeBytes(ext4) > before - MIB);
	expect(readdirSync(ext4)).toEqual(names);
});
