// When a thread has ended, in whatever way, its blocks are free if nobody else can reach them. What it shared has not
// changed, and neither has what the other threads hold.
import { mkdtempSync } from 'node:fs';
import { expect, test } from 'vitest';
import { MIB } from '#lib/size.js';
import { testDirectory } from '../helpers/directory.ts';
import { startChild } from '../helpers/process.ts';
import { processWithWorkers, worker } from '../helpers/workers.ts';

const root = testDirectory();
const attach = 'const kind = Kind.attach(workerData.shared);';

async function expectOutput(code: string, stdout: string): Promise<void> {
	const child = await startChild(processWithWorkers(`console.log('ready'); ${code}`), mkdtempSync(`${root}/`));
	expect(await child.ended).toEqual({ status: 0, signal: null, stdout: `ready\n${stdout}`, stderr: '' });
}

const kinds: Record<string, string> = {
	default: '{}',
	conservative: "{ policy: 'conservative' }",
	debug: '{ debug: true }',
};

const ends: Record<string, string> = {
	'ends by itself': '',
	'calls process.exit': 'process.exit(3);',
	'throws an uncaught error': "throw new Error('on purpose');",
	'leaves a rejected promise': "Promise.reject(new Error('on purpose'));",
	'is terminated while it waits': 'setInterval(() => {}, 1000);',
	'is terminated while it works': 'for (let i = 0; ; i++) { kind.free(kind.malloc(i % 9000)); held[i % 100].fill(i); }',
};

/** Makes blocks of all sorts. Those that others can reach go to the main thread. */
const hold = `${attach}
	const sizes = [1, 16, 100, 700, 5000, 8192, 9000, 40_000, 300_000, 3_000_000];
	const held = [];
	for (const size of sizes) {
		for (let i = 0; i < (size > 100_000 ? 2 : 40); i++) held.push(kind.malloc(size).fill(size));
		const gone = Array.from({ length: 20 }, () => kind.malloc(size % 10_000));
		held.push(kind.realloc(kind.malloc(size), size * 2), kind.realloc(kind.malloc(size), 10));
		held.push(kind.calloc(2, size >> 1 || 1), kind.memalign(4096, size), kind.buffer(size));
		for (const block of gone) kind.free(block);
	}
	const moved = Array.from({ length: 500 }, () => kind.malloc(900));
	for (const [i, block] of moved.entries()) if (i % 3 > 0) kind.free(block);
	for (const [i, block] of moved.entries()) if (i % 3 === 0) held.push(kind.defragReallocate(block) ?? block);
	const handles = sizes.map((size) => { const handle = kind.mallocRaw(size); kind.view(handle).fill('raw'); return handle; });
	for (const size of sizes) kind.freeRaw(kind.mallocRaw(size));
	const shared = [...sizes.map((size) => kind.malloc(size)), kind.buffer(5000), kind.buffer(20_000)];
	const references = shared.map((block) => kind.ref(block.fill('ref')));
	// A block of which another thread has a reference, and one that another thread has freed.
	const back = kind.deref(kind.ref(kind.malloc(1000)));
	kind.free(back);
	parentPort.postMessage({ references, handles, blocks: kind.stats().blocks });`;

for (const [sort, options] of Object.entries(kinds)) {
	for (const [end, last] of Object.entries(ends)) {
		const code = JSON.stringify(worker('', '').replace("parentPort.postMessage('ready');", `${hold} ${last}`));
		test.concurrent(`a thread that ${end} leaves of its blocks in a ${sort} kind only those that others can reach`, async () => {
			await expectOutput(
				`const other = PmemKind.create(directory, { maxSize: ${64 * MIB}, ...${options} });
				const mine = [50, 700, 50_000].map((size) => other.malloc(size).fill('main'));
				for (let round = 0; round < 2; round++) {
					const { worker, message, exit } = await start(${code}, other.share());
					const { references, handles, blocks } = message;
					if (${end.includes('terminated')}) { await sleep(20); await worker.terminate(); }
					await exit;
					const shared = references.map((reference) => other.deref(reference));
					console.log(blocks > 500, other.stats().blocks - mine.length - shared.length - handles.length);
					const isWhole = (block, text) => block.equals(Buffer.alloc(block.length, text));
					console.log(shared.every((block) => isWhole(block, 'ref')), mine.every((block) => isWhole(block, 'main')),
						handles.every((handle) => isWhole(other.view(handle), 'raw')));
					for (const block of shared) other.free(block);
					for (const handle of handles) other.freeRaw(handle);
				}
				for (const block of mine) other.free(block);
				other.purge();
				const { blocks, active, free } = other.stats();
				console.log(blocks, active, free === other.capacity);
				other.freeRaw(other.mallocRaw(other.capacity));
				console.log(other.close());`,
				`${'true 0\ntrue true true\n'.repeat(2)}0 0 true\nundefined\n`,
			);
		});
	}
}

test('threads whose blocks lie among one another’s lose nothing when one of them ends', async () => {
	// The memory is so small for so many threads that they take blocks out of the same slabs.
	const code = JSON.stringify(
		worker(
			`${attach}
			const held = [];
			const fill = (text) => {
				for (let block; (block = kind.tryMalloc(16 + 16 * (held.length % 5))); ) held.push(block.fill(text));
			};
			parentPort.on('message', ({ text, want }) => {
				while (held.length > want) {
					const at = held.length * 0.37 | 0;
					kind.free(held[at]);
					held[at] = held.at(-1);
					held.pop();
				}
				fill(text);
				const isWhole = held.every((block) => block[0] === block.at(-1));
				parentPort.postMessage({ count: held.length, isWhole });
			});`,
			'',
		),
	);
	await expectOutput(
		`const other = PmemKind.create(directory, { maxSize: ${16 * MIB} });
		const long = other.malloc(${14 * MIB});
		const ask = ({ worker }, text, want) => new Promise((resolve) => {
			worker.once('message', resolve);
			worker.postMessage({ text, want });
		});
		let threads = await Promise.all([1, 2, 3].map(() => start(${code}, other.share())));
		let most = 0;
		for (let round = 0; round < 6; round++) {
			let counts = [];
			for (const [i, thread] of threads.entries()) counts[i] = await ask(thread, 'abc'[i], round * 4000);
			if (!counts.every(({ isWhole }) => isWhole)) console.log('torn', round);
			const { worker, exit } = threads.shift();
			await worker.terminate();
			const left = counts.slice(1).reduce((sum, { count }) => sum + count, 1);
			if (other.stats().blocks !== left) console.log(round, other.stats().blocks, left);
			threads.push(await start(${code}, other.share()));
		}
		for (const { worker } of threads) await worker.terminate();
		console.log(other.stats().blocks);
		other.free(long);
		other.free(other.malloc(other.capacity));
		console.log(other.close());`,
		'1\nundefined\n',
	);
});

for (const debug of [false, true]) {
	test(`a block is not freed with the thread that allocated it when another has freed it and uses its memory, debug ${debug}`, async () => {
		const makes = JSON.stringify(
			worker(
				attach,
				`const handles = [60, 60, 900, 20_000].flatMap((size) => Array.from({ length: 200 }, () => kind.mallocRaw(size)));
				const references = Array.from({ length: 200 }, () => kind.ref(kind.malloc(300)));
				parentPort.postMessage({ handles, references });
				setInterval(() => {}, 1000);`,
			).replace("parentPort.postMessage('ready');", ''),
		);
		await expectOutput(
			`const other = PmemKind.create(directory, { maxSize: ${32 * MIB}, debug: ${debug} });
			const { worker, message } = await start(${makes}, other.share());
			for (const handle of message.handles) other.freeRaw(handle);
			for (const reference of message.references) other.free(other.deref(reference));
			const sizes = [60, 900, 20_000, 300];
			const mine = Array.from({ length: 400 }, (_, i) => other.malloc(sizes[i % 4]).fill('mine'));
			await worker.terminate();
			if (other.stats().blocks !== mine.length) console.log(other.stats());
			const others = [];
			for (let i = 0, block; (block = other.tryMalloc(sizes[i++ % 4])); ) others.push(block.fill('other'));
			console.log(others.length > 1000, mine.every((block) => block.equals(Buffer.alloc(block.length, 'mine'))));
			for (const block of [...mine, ...others]) other.free(block);
			for (const handle of message.handles) {
				try { other.freeRaw(handle); console.log('freed twice'); } catch {}
			}
			console.log(other.stats().blocks, other.close());`,
			'true true\n0 undefined\n',
		);
	});
}

test('the memory of a block is nobody’s until an operation of Node’s own has ended that a terminated thread left', async () => {
	const code = JSON.stringify(
		worker(
			`${attach}
			const fs = await import('node:fs');
			const { MessageChannel } = await import('node:worker_threads');
			const held = kind.malloc(100_000).fill(1);
			const fd = fs.openSync(workerData.directory + '/pipe', 'r+');
			fs.read(fd, held, 0, 100_000, null, () => {});
			// Node takes back what its thread pool has not begun. The pool begins things in their order.
			await fs.promises.stat('/');
			const { port1: mine, port2: others } = new MessageChannel();
			parentPort.postMessage(others, [others]);`,
			'setInterval(() => mine, 1000);',
		),
	);
	await expectOutput(
		`const { execFileSync } = await import('node:child_process');
		const fs = await import('node:fs');
		execFileSync('mkfifo', [directory + '/pipe']);
		kind.free(block);
		const { worker, message: port } = await start(${code});
		const pipe = fs.openSync(directory + '/pipe', 'r+');
		// It closes when the thread runs no script any more and waits for the read.
		const isEnding = new Promise((resolve) => port.once('close', resolve));
		const terminated = worker.terminate();
		await isEnding;
		await sleep(100);
		console.log(kind.stats().blocks);
		fs.writeSync(pipe, Buffer.alloc(1000, 2));
		await terminated;
		console.log(kind.stats().blocks);
		kind.free(kind.malloc(kind.capacity));`,
		'1\n0\n',
	);
});

test('the memory of a Kind that is closed in a thread is nobody’s until no operation and no view can reach it', async () => {
	const code = JSON.stringify(
		worker(
			`${attach}
			const fs = await import('node:fs');
			const v8 = await import('node:v8');
			const vm = await import('node:vm');
			v8.setFlagsFromString('--expose-gc');
			const gc = vm.runInNewContext('gc');
			const fd = fs.openSync(workerData.directory + '/pipe', 'r+');
			const done = new Promise((resolve) => fs.read(fd, kind.malloc(100_000), 0, 100_000, null, resolve));
			kind.malloc(10);
			parentPort.on('message', async (last) => {
				if (last) await done;
				for (let i = 0; i < 5; i++) { gc(); await new Promise((resolve) => setTimeout(resolve, 10)); }
				parentPort.postMessage('collected');
			});
			kind.close();`,
			'',
		),
	);
	await expectOutput(
		`const { execFileSync } = await import('node:child_process');
		const fs = await import('node:fs');
		execFileSync('mkfifo', [directory + '/pipe']);
		kind.free(block);
		const { worker } = await start(${code});
		const collect = (last) => new Promise((resolve) => { worker.once('message', resolve); worker.postMessage(last); });
		await collect(false);
		console.log(kind.stats().blocks);
		const pipe = fs.openSync(directory + '/pipe', 'r+');
		fs.writeSync(pipe, Buffer.alloc(1000, 2));
		await collect(true);
		console.log(kind.stats().blocks);
		kind.free(kind.malloc(kind.capacity));
		await worker.terminate();`,
		'2\n0\n',
	);
});
