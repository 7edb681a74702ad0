// A kind that threads share lives as long as one of them holds it, in whatever way the others end. What a thread had in
// its cache can be used by all again. In another process there is no such kind.
import { mkdtempSync } from 'node:fs';
import { expect, test } from 'vitest';
import { testDirectory } from '../helpers/directory.ts';
import { holders, startChild, until } from '../helpers/process.ts';
import { processWithWorkers, worker } from '../helpers/workers.ts';

const root = testDirectory();
const attach = 'const kind = Kind.attach(workerData.shared);';

const run = (code: string, directory = mkdtempSync(`${root}/`)) => startChild(processWithWorkers(code), directory);

async function expectOutput(code: string, stdout: string): Promise<void> {
	const child = await run(`console.log('ready'); ${code}`);
	expect(await child.ended).toEqual({ status: 0, signal: null, stdout: `ready\n${stdout}`, stderr: '' });
}

/** What attached threads are in the middle of. Each of them holds at most one block at a time. */
const loops: Record<string, string> = {
	'malloc and free': `${attach} for (;;) kind.free(kind.malloc(Math.random() * 90_000 | 0));`,
	'free by reference': `${attach} for (;;) kind.free(kind.deref(kind.ref(kind.malloc(3000))));`,
	'raw handles': `${attach} for (;;) { const h = kind.mallocRaw(3000); kind.view(h).fill(1); kind.freeRaw(h); }`,
	'collected blocks': `${attach} for (;;) kind.free(kind.buffer(3000));`,
	'attach and close':
		'for (;;) { const kind = Kind.attach(workerData.shared); kind.free(kind.malloc(1000)); kind.close(); }',
	'purge and statistics': `${attach} for (;;) {
		kind.free(kind.malloc(3e6));
		kind.purge();
		kind.stats();
		kind.sizeClasses();
	}`,
	'asynchronous calls': `${attach} for (;;) {
		kind.free(kind.malloc(3e6));
		await Promise.all([kind.purgeAsync(), kind.prefaultAsync()]);
	}`,
};

for (const [what, loop] of Object.entries(loops)) {
	const code = JSON.stringify(worker('', loop));
	test.concurrent(`threads that are terminated in the middle of ${what} leave their kind whole, and nothing in caches`, async () => {
		await expectOutput(
			`let ended = 0;
			for (const delay of [0, 3, 20, 60]) {
				const started = await Promise.all([1, 2, 3].map(() => start(${code})));
				await sleep(delay);
				await Promise.all(started.map(({ worker }) => worker.terminate()));
				ended += 3;
				for (let i = 0; i < 100; i++) kind.free(kind.malloc(i * 1000));
				kind.purge();
				const { blocks, cached } = kind.stats();
				// Its own block, and what the threads had on their hands.
				console.log(files(), blocks >= 1 && blocks <= 1 + ended || blocks, cached, isWhole());
			}
			const left = kind.close();
			// Nobody waits for a job of a thread that was terminated: it holds the kind until its step ends.
			for (let i = 0; i < 100 && files() !== '0 0'; i++) await sleep(10);
			console.log(left.blocks <= 1 + ended, files());`,
			`${'1 1 true 0 true\n'.repeat(4)}true 0 0\n`,
		);
	});

	for (const [end, last, status, signal] of [
		['process.exit', 'process.exit(7);', 7, null],
		['SIGTERM', '', null, 'SIGTERM'],
	] as const) {
		test.concurrent(`a process that ends by ${end} while threads are in the middle of ${what} leaves nothing`, async () => {
			const directory = mkdtempSync(`${root}/`);
			const child = await run(
				`await Promise.all([1, 2].map(() => start(${code}))); console.log('ready'); ${last}`,
				directory,
			);
			if (signal !== null) await child.end(signal);
			expect(await child.ended).toMatchObject({ status, signal, stderr: '' });
			await until(() => holders(directory).length === 0);
		});
	}
}

const ends: Record<string, string> = {
	'ends by itself': '',
	'calls process.exit': 'process.exit(0);',
	'throws an uncaught error': "throw new Error('on purpose');",
	'is terminated': 'setInterval(() => {}, 1000);',
	'closes its kind': 'made.close();',
};

for (const [end, last] of Object.entries(ends)) {
	const code = JSON.stringify(`
		import { parentPort, workerData } from 'node:worker_threads';
		import { PmemKind } from 'daxkind';
		const made = PmemKind.create(workerData.directory, { maxSize: ${16 * 2 ** 20} });
		const blocks = [10, 5000, 1_000_000].map((size) => made.malloc(size).fill('left'));
		parentPort.postMessage({ shared: made.share(), references: blocks.map((block) => made.ref(block)) });
		parentPort.once('message', () => { ${last} });`);

	test.concurrent(`a kind whose maker ${end} is the others', with its blocks, until the last of them closes it`, async () => {
		await expectOutput(
			`const { worker, message, exit } = await start(${code});
			const [first, second] = [Kind.attach(message.shared), Kind.attach(message.shared)];
			worker.postMessage('end');
			if (${end === 'is terminated'}) await worker.terminate();
			await exit;
			const blocks = message.references.map((reference) => first.deref(reference));
			console.log(files(), blocks.every((block) => block.equals(Buffer.alloc(block.length, 'left'))));
			for (const block of blocks) first.free(block);
			first.free(first.malloc(3_000_000).fill(1));
			console.log(first.stats().blocks, first.close(), files());
			second.free(second.malloc(3_000_000).fill(1));
			console.log(second.close(), files());
			try { Kind.attach(message.shared); } catch ({ code }) { console.log(code); }`,
			'2 2 true\n0 undefined 2 2\nundefined 1 1\nERR_DAXKIND_KIND_GONE\n',
		);
	});
}

test('a kind that its maker has closed is its threads’ until they end', async () => {
	const code = JSON.stringify(
		worker(
			attach,
			`parentPort.on('message', () => { kind.free(kind.malloc(1_000_000).fill(1)); parentPort.postMessage('ok'); });`,
		),
	);
	await expectOutput(
		`const threads = await Promise.all([1, 2].map(() => start(${code})));
		console.log(kind.close(), block.length, files());
		for (const { worker, exit } of threads) {
			const answer = new Promise((resolve) => worker.once('message', resolve));
			worker.postMessage('go');
			console.log(await answer, files());
			await worker.terminate();
		}
		console.log(files());`,
		'undefined 0 1 1\nok 1 1\nok 1 1\n0 0\n',
	);
});

test('another process has no such kind, nor one of the same number', async () => {
	const inChild = `
		import { PmemKind, Kind } from 'daxkind';
		const kind = PmemKind.create(process.argv[1], { maxSize: ${16 * 2 ** 20} });
		const foreign = JSON.parse(process.argv[2]);
		try { Kind.attach(foreign); } catch ({ code }) { console.log(code, foreign.number === kind.share().number); }`;
	await expectOutput(
		`const { spawnSync } = await import('node:child_process');
		const args = ['--input-type=module', '-e', ${JSON.stringify(inChild)}, directory, JSON.stringify(kind.share())];
		const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
		console.log(stdout + stderr, isWhole());`,
		'ERR_DAXKIND_KIND_GONE false\n true\n',
	);
});
