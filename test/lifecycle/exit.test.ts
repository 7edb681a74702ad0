// A process with a kind is taken to each stage of its life and ended there, in every way. It must exit as it should,
// and nobody may hold its storage afterwards, so that the file system has the space again (test/guest measures that in
// bytes).
import { mkdtempSync, readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { MIB } from '#lib/size.js';
import { testDirectory } from '../helpers/directory.ts';
import { holders, startChild, until } from '../helpers/process.ts';

const root = testDirectory();
const create = `globalThis.kind = PmemKind.create(process.argv[1], { maxSize: ${64 * MIB} });`;
/** These options make an asynchronous call take a while, so that a thread is in the middle of it. */
const prefaulted = { maxSize: 256 * MIB, prefault: true };

/**
 * Runs code in a thread, which then waits and does not keep the process from ending. Its workerData is the shared kind,
 * if there is one, or the directory.
 */
const inThread = (code: string) => `
	const { Kind } = await import('daxkind');
	const { Worker } = await import('node:worker_threads');
	const thread = new Worker(
		\`import { parentPort, workerData } from 'node:worker_threads';
		import { Kind, PmemKind } from 'daxkind';
		${code}
		setInterval(() => {}, 1000);\`,
		{ eval: true, workerData: globalThis.kind?.share() ?? process.argv[1], execArgv: [] });
	const message = await new Promise((resolve) => thread.once('message', resolve));
	thread.unref();`;

/** What has happened in the process, and how many descriptors and mappings of files it has then, if that is certain. */
const stages: Record<string, [code: string, descriptors: number | 'any', mappings?: number]> = {
	'before create': ['', 0],
	'in createAsync': [
		`import { readFileSync } from 'node:fs';
		PmemKind.createAsync(process.argv[1], ${JSON.stringify(prefaulted)}).then((kind) => { globalThis.kind = kind; });
		while (!readFileSync('/proc/self/maps', 'utf8').includes(process.argv[1] + '/'));`,
		1,
	],
	'after createAsync': [`globalThis.kind = await PmemKind.createAsync(process.argv[1], { maxSize: ${64 * MIB} });`, 1],
	'after create': [create, 1],
	'with live blocks': [
		`${create}
		globalThis.blocks = [10, 5000, 70_000, ${MIB}].map((size) => kind.malloc(size).fill(1));
		blocks[1] = kind.realloc(blocks[1], 300_000);
		blocks.push(kind.memalign(4096, 4096), kind.calloc(10, 10), kind.malloc(0));
		kind.free(kind.malloc(100));`,
		1,
	],
	'with raw, collected and referenced blocks': [
		`${create}
		globalThis.blocks = [1, 1000, 100_000].map((size) => kind.buffer(size));
		for (let i = 0; i < 1000; i++) kind.buffer(5000);
		globalThis.handles = [1, 1000, 100_000].map((size) => kind.mallocRaw(size));
		globalThis.views = handles.map((handle) => kind.view(handle));
		globalThis.reference = kind.ref(kind.malloc(100));
		gc();`,
		1,
	],
	'in debug mode': [
		`globalThis.debugged = PmemKind.create(process.argv[1], { maxSize: ${64 * MIB}, debug: true });
		globalThis.blocks = [10, 5000, ${MIB}].map((size) => debugged.malloc(size).fill(1));
		debugged.free(debugged.malloc(100));`,
		1,
	],
	'with freed storage that waits for its decay': [`${create} kind.free(kind.malloc(${32 * MIB}).fill(1));`, 1],
	'in purgeAsync and prefault': [
		`globalThis.kind = PmemKind.create(process.argv[1], { maxSize: ${prefaulted.maxSize} });
		kind.free(kind.malloc(${100 * MIB}).fill(1));
		kind.purgeAsync();
		kind.prefaultAsync();`,
		1,
	],
	'with several kinds': [
		`globalThis.kinds = ['default', 'conservative'].map((policy) =>
			PmemKind.create(process.argv[1], { maxSize: ${16 * MIB}, policy, prefault: true }));
		globalThis.blocks = kinds.map((kind) => kind.malloc(100_000));`,
		2,
	],
	'with a kind on a mapped file': [
		`import { FixedKind, mapFile } from 'daxkind';
		import { unlinkSync, writeFileSync } from 'node:fs';
		const file = process.argv[1] + '/file';
		writeFileSync(file, Buffer.alloc(${4 * MIB}));
		globalThis.kind = FixedKind.create(mapFile(file));
		unlinkSync(file);
		globalThis.blocks = [10, 100_000].map((size) => kind.malloc(size).fill(1));`,
		0,
		1,
	],
	'with a kind that a thread shares': [
		`${create}
		globalThis.block = kind.malloc(5000);
		${inThread("const kind = Kind.attach(workerData); const block = kind.malloc(1000); parentPort.postMessage('ready');")}`,
		1,
	],
	'with a kind whose maker, a thread, is gone': [
		`${inThread(`const made = PmemKind.create(workerData, { maxSize: ${64 * MIB} });
			const block = made.malloc(1000).fill(1);
			parentPort.postMessage([made.share(), made.ref(block)]);`)}
		globalThis.kind = Kind.attach(message[0]);
		await thread.terminate();
		globalThis.block = kind.deref(message[1]);`,
		1,
	],
	'in closeAsync': [`${create} globalThis.block = kind.malloc(${32 * MIB}).fill(1); kind.closeAsync();`, 'any'],
	'after close': [`${create} globalThis.blocks = [kind.malloc(10), kind.malloc(${MIB})]; kind.close();`, 0],
};

/** What the process does itself, its exit status, and what it prints on stderr. */
const ends: Record<string, [code: string, status: number, message?: string]> = {
	'its natural end': ['', 0],
	'process.exit': ['process.exit(7);', 7],
	'process.exitCode and a timer': ['setTimeout(() => { process.exitCode = 3; }, 10);', 3],
	'an uncaught exception': ["throw new Error('on purpose');", 1, 'Error: on purpose'],
	'a rejected promise': ["Promise.reject(new Error('on purpose'));", 1, 'Error: on purpose'],
	'process.exit in a handler of SIGTERM': [
		"process.once('SIGTERM', () => process.exit(5)); process.kill(process.pid, 'SIGTERM'); setTimeout(() => {}, 10_000);",
		5,
	],
	'an exit handler that still allocates and closes': [
		`process.once('exit', () => {
			if (globalThis.kind?.closed === false) kind.malloc(1000).fill(1);
			globalThis.kind?.close();
		});`,
		0,
	],
};
const signals = ['SIGTERM', 'SIGKILL', 'SIGINT', 'SIGHUP'] as const;

/** The stages that differ most. In these, even those ends are tried that come to the same as others. */
const thorough = ['before create', 'in createAsync', 'with live blocks', 'after close'];
const alike = [
	'process.exitCode and a timer',
	'a rejected promise',
	'process.exit in a handler of SIGTERM',
	'SIGINT',
	'SIGHUP',
];
const isTried = (end: string, stage: string) => thorough.includes(stage) || !alike.includes(end);

/**
 * The time that a process may take to end. Nothing may delay it: freed memory would wait ten seconds for its decay.
 * prompt.test.ts tests long jobs.
 */
const promptMs = 8000;

/** Takes a process to a stage. It does `end` when it is told to go on. */
async function startAt(stage: string, end = '') {
	const [code, descriptors, mappings = descriptors] = stages[stage]!;
	const directory = mkdtempSync(`${root}/`);
	const child = await startChild(
		`${code}
		process.stdin.once('end', () => { ${end} }).resume();
		console.log('ready');`,
		directory,
		['--expose-gc'],
	);
	if (descriptors !== 'any') {
		const { pid } = child;
		expect(holders(directory)).toEqual(mappings === 0 ? [] : [{ pid, descriptors, mappings }]);
	}
	expect(readdirSync(directory)).toEqual([]);
	return { ...child, directory };
}

async function expectNothingIn(directory: string): Promise<void> {
	expect(readdirSync(directory)).toEqual([]);
	await until(() => holders(directory).length === 0);
}

for (const stage of Object.keys(stages)) {
	for (const [end, [code, status, message]] of Object.entries(ends)) {
		if (!isTried(end, stage)) continue;
		test.concurrent(`${end} ${stage}`, async () => {
			const child = await startAt(stage, code);
			const told = performance.now();
			child.go();
			const ending = await child.ended;
			expect(ending).toMatchObject({ status, signal: null, stdout: 'ready\n' });
			if (message === undefined) expect(ending.stderr).toBe('');
			// The error and its stack are printed once.
			else expect(ending.stderr.match(/^\w*Error.*$/gm)).toEqual([message]);
			expect(performance.now() - told).toBeLessThan(promptMs);
			await expectNothingIn(child.directory);
		});
	}
	for (const signal of signals) {
		if (!isTried(signal, stage)) continue;
		test.concurrent(`${signal} ${stage}`, async () => {
			const child = await startAt(stage);
			expect(await child.end(signal)).toEqual([null, signal]);
			expect(await child.ended).toMatchObject({ stdout: 'ready\n', stderr: '' });
			await expectNothingIn(child.directory);
		});
	}
}
