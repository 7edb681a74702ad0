// A kind that a worker thread made goes with the worker, at whatever stage and in whatever way it ends. Nothing of it
// stays in the process, the process goes on, and its other kinds have not changed.
import { mkdtempSync, readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { MIB } from '#lib/size.js';
import { testDirectory } from '../helpers/directory.ts';
import { holders, startChild, until } from '../helpers/process.ts';
import { processWithWorkers, worker } from '../helpers/workers.ts';

const root = testDirectory();
const create = `const kind = PmemKind.create(workerData.directory, { maxSize: ${64 * MIB} });`;
const live = `${create}
	const held = Array.from({ length: 2000 }, (_, i) => kind.malloc(i * 7).fill(i));
	held.push(kind.malloc(${5 * MIB}).fill(1));
	for (let i = 0; i < 2000; i += 2) kind.free(held[i]);`;

const stages = {
	'before it creates a kind': '',
	'with an empty kind': create,
	'with live blocks': live,
	'after it has closed its kind': `${live} kind.close();`,
};

/** What the worker does itself, and its exit code. */
const ends: Record<string, [code: string, exitCode: number]> = {
	'ends by itself': ['', 0],
	'calls process.exit': ['process.exit(3);', 3],
	'throws an uncaught error': ["throw new Error('on purpose');", 1],
	'leaves a rejected promise': ["Promise.reject(new Error('on purpose'));", 1],
	'is terminated while it waits': ['setInterval(() => {}, 1000);', 1],
};

/** What the worker is in the middle of when it is terminated, or when its process ends. */
const loops = {
	'malloc and free': 'for (;;) { const block = kind.malloc(Math.random() * 9000 | 0); kind.free(block); }',
	'long blocks and realloc':
		'for (;;) { let b = kind.malloc(100_000); b = kind.realloc(b, 20_000 + Math.random() * 3e6 | 0); kind.free(b); }',
	'filling its kind until it is full':
		'for (;;) { const full = []; for (let b; (b = kind.tryMalloc(300_000)); ) full.push(b); for (const b of full) kind.free(b); }',
	'purge and stats': 'for (;;) { kind.free(kind.malloc(3e6)); kind.purge(); kind.stats(); }',
	'making kinds, some in vain': `for (;;) {
		const other = PmemKind.create(workerData.directory);
		try { PmemKind.create('/missing'); } catch {}
		other.malloc(1e6);
		other.close();
	}`,
	'raw, collected and debugged blocks': `
		const debugged = PmemKind.create(workerData.directory, { maxSize: ${16 * MIB}, debug: true });
		for (;;) {
			const handle = kind.mallocRaw(5000);
			kind.view(handle).fill(1);
			kind.freeRaw(handle);
			kind.free(kind.buffer(3000));
			debugged.free(debugged.malloc(1000));
		}`,
	'asynchronous calls': `for (;;) {
		const other = await PmemKind.createAsync(workerData.directory, { maxSize: ${32 * MIB}, prefault: true });
		other.free(other.malloc(5e6));
		await Promise.all([other.purgeAsync(), other.prefaultAsync()]);
		await other.closeAsync();
	}`,
};

/** What the process prints when there is only its own kind, and that is whole. */
const onlyMine = '1 1 1 true';

const run = (code: string) => startChild(processWithWorkers(code), mkdtempSync(`${root}/`));

for (const [stage, before] of Object.entries(stages)) {
	for (const [end, [code, exitCode]] of Object.entries(ends)) {
		test.concurrent(`a worker that ${end} ${stage} leaves nothing`, async () => {
			const child = await run(`console.log('ready');
				for (let round = 0; round < 2; round++) {
					const { worker, exit } = await start(${JSON.stringify(worker(before, code))});
					if (${end.includes('terminated')}) await worker.terminate();
					console.log(await exit, files(), kind.stats().blocks, isWhole());
				}`);
			const error = code.includes('on purpose') ? ' on purpose' : '';
			const round = `${exitCode}${error} ${onlyMine}\n`;
			expect(await child.ended).toEqual({ status: 0, signal: null, stdout: `ready\n${round}${round}`, stderr: '' });
		});
	}
}

for (const [what, loop] of Object.entries(loops)) {
	const code = JSON.stringify(worker(create, loop));
	test.concurrent(`workers that are terminated in the middle of ${what} leave nothing`, async () => {
		const child = await run(`console.log('ready');
			for (const delay of [0, 3, 20, 60]) {
				const started = await Promise.all([1, 2, 3].map(() => start(${code})));
				await sleep(delay);
				await Promise.all(started.map(({ worker }) => worker.terminate()));
				const exits = await Promise.all(started.map(({ exit }) => exit));
				console.log(...exits, await settled(), kind.stats().blocks, isWhole());
			}`);
		const stdout = `ready\n${`1 1 1 ${onlyMine}\n`.repeat(4)}`;
		expect(await child.ended).toEqual({ status: 0, signal: null, stdout, stderr: '' });
	});

	for (const [end, last, status, signal] of [
		['process.exit', 'process.exit(7);', 7, null],
		['an uncaught exception', "throw new Error('on purpose');", 1, null],
		['SIGTERM', '', null, 'SIGTERM'],
		['SIGKILL', '', null, 'SIGKILL'],
	] as const) {
		test.concurrent(`a process that ends by ${end} while workers are in the middle of ${what} leaves nothing`, async () => {
			const directory = mkdtempSync(`${root}/`);
			const child = await startChild(
				processWithWorkers(`await Promise.all([1, 2].map(() => start(${code}))); console.log('ready'); ${last}`),
				directory,
			);
			if (signal !== null) await child.end(signal);
			const ending = await child.ended;
			expect(ending).toMatchObject({ status, signal });
			expect(ending.stderr.match(/^\w*Error.*$/gm) ?? []).toEqual(status === 1 ? ['Error: on purpose'] : []);
			expect(readdirSync(directory)).toEqual([]);
			await until(() => holders(directory).length === 0);
		});
	}
}

test('workers that are terminated while they load daxkind leave nothing', async () => {
	const child = await run(`console.log('ready');
		for (let delay = 0; delay < 60; delay += 3) {
			const options = { eval: true, workerData: { directory }, execArgv: [] };
			const loading = [1, 2].map(() => new Worker(${JSON.stringify(worker(create, 'for (;;);'))}, options));
			await sleep(delay);
			await Promise.all(loading.map((worker) => worker.terminate()));
		}
		console.log(files(), kind.stats().blocks, isWhole());`);
	expect(await child.ended).toEqual({ status: 0, signal: null, stdout: `ready\n${onlyMine}\n`, stderr: '' });
});
