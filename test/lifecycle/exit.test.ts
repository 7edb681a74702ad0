// A process with a kind is taken to each stage of its life and ended there, in every way: its exit is as it should be, and
// nobody holds its storage afterwards, so that the space is the file system's again (test/vm has that in bytes).
import { mkdtempSync, readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { testDirectory } from '../helpers/directory.ts';
import { eventually, holders, startChild } from '../helpers/process.ts';

const root = testDirectory();
const MiB = 1024 * 1024;
const create = `globalThis.kind = PmemKind.create(process.argv[1], { maxSize: ${64 * MiB} });`;

/** What has happened in the process, and how many nameless files it has then. */
const stages: Record<string, [code: string, files: number]> = {
	'before create': ['', 0],
	'after create': [create, 1],
	'with live blocks': [
		`${create}
		globalThis.blocks = [10, 5000, 70_000, ${MiB}].map((size) => kind.malloc(size).fill(1));
		blocks[1] = kind.realloc(blocks[1], 300_000);
		blocks.push(kind.memalign(4096, 4096), kind.calloc(10, 10), kind.malloc(0));
		kind.free(kind.malloc(100));`,
		1,
	],
	'with freed storage that waits for its decay': [`${create} kind.free(kind.malloc(${32 * MiB}).fill(1));`, 1],
	'with several kinds': [
		`globalThis.kinds = ['default', 'conservative'].map((policy) =>
			PmemKind.create(process.argv[1], { maxSize: ${16 * MiB}, policy, prefault: true }));
		globalThis.blocks = kinds.map((kind) => kind.malloc(100_000));`,
		2,
	],
	'after close': [`${create} globalThis.blocks = [kind.malloc(10), kind.malloc(${MiB})]; kind.close();`, 0],
};

/** What the process does itself, its exit status, and what it says on stderr. */
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
const signals = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGKILL'] as const;

/** Longer than any end takes, and shorter than what freed memory waits for its decay. */
const promptMs = 8000;

/** Takes a process to a stage. It does `end` when it is told to go on. */
async function startAt(stage: string, end = '') {
	const [code, files] = stages[stage]!;
	const directory = mkdtempSync(`${root}/`);
	const child = await startChild(
		`${code}
		process.stdin.once('end', () => { ${end} }).resume();
		console.log('ready');`,
		directory,
	);
	const expected = files === 0 ? [] : [{ pid: child.pid, descriptors: files, mappings: files }];
	expect(holders(directory)).toEqual(expected);
	expect(readdirSync(directory)).toEqual([]);
	return { ...child, directory };
}

async function expectNothingIn(directory: string): Promise<void> {
	expect(readdirSync(directory)).toEqual([]);
	expect(await eventually(() => holders(directory).length === 0)).toBe(true);
}

for (const stage of Object.keys(stages)) {
	for (const [end, [code, status, message]] of Object.entries(ends)) {
		test.concurrent(`${end} ${stage}`, async () => {
			const child = await startAt(stage, code);
			const told = performance.now();
			child.go();
			const ending = await child.ended;
			expect(ending).toMatchObject({ status, signal: null, stdout: 'ready\n' });
			if (message === undefined) expect(ending.stderr).toBe('');
			// The error and its stack, and not two.
			else expect(ending.stderr.match(/^\w*Error.*$/gm)).toEqual([message]);
			expect(performance.now() - told).toBeLessThan(promptMs);
			await expectNothingIn(child.directory);
		});
	}
	for (const signal of signals) {
		test.concurrent(`${signal} ${stage}`, async () => {
			const child = await startAt(stage);
			expect(await child.end(signal)).toEqual([null, signal]);
			expect(await child.ended).toMatchObject({ stdout: 'ready\n', stderr: '' });
			await expectNothingIn(child.directory);
		});
	}
}
