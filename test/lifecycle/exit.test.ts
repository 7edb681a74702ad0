// A process with a kind is taken to each stage of its life and ended there, in every way: its exit is as it should be,
// and no storage stays behind.
import { expect, test } from 'vitest';
import { testDirectory } from '../helpers/directory.ts';
import { eventually, namelessFiles, runChild, startChild } from '../helpers/process.ts';

const directory = testDirectory();
const MiB = 1024 * 1024;

const stages = {
	'before create': '',
	'after create': `const kind = PmemKind.create(process.argv[1], { maxSize: ${16 * MiB} });`,
	'with live blocks': `const kind = PmemKind.create(process.argv[1], { maxSize: ${16 * MiB} });
		globalThis.blocks = [10, 5000, ${MiB}].map((size) => kind.malloc(size).fill(1));
		kind.free(kind.malloc(100));`,
	'after close': `const kind = PmemKind.create(process.argv[1], { maxSize: ${16 * MiB} });
		globalThis.blocks = [kind.malloc(10)];
		kind.close();`,
};
const ends = {
	'natural end': ['', 0, ''],
	'process.exit': ['process.exit(7);', 7, ''],
	'an uncaught exception': ["throw new Error('on purpose');", 1, 'on purpose'],
	'a rejected promise': ["Promise.reject(new Error('on purpose'));", 1, 'on purpose'],
	'process.exitCode and a timer': ['setTimeout(() => { process.exitCode = 3; }, 10);', 3, ''],
} as const;

for (const [stage, code] of Object.entries(stages)) {
	for (const [end, [last, status, message]] of Object.entries(ends)) {
		test(`${end} ${stage}`, () => {
			const child = runChild(`${code}\n${last}`, directory);
			expect({ status: child.status, signal: child.signal }).toEqual({ status, signal: null });
			expect(child.stderr).toContain(message);
			if (message === '') expect(child.stderr).toBe('');
		});
	}
}

for (const signal of ['SIGTERM', 'SIGKILL', 'SIGINT'] as const) {
	test(`${signal} with live blocks leaves no file`, async () => {
		const child = await startChild(
			`${stages['with live blocks']} console.log('ready'); setInterval(() => {}, 1000);`,
			directory,
		);
		expect(namelessFiles(directory, child.pid)).toHaveLength(1);
		expect(await child.end(signal)).toEqual([null, signal]);
		expect(await eventually(() => !hasFiles(child.pid))).toBe(true);
	});
}

function hasFiles(pid: number): boolean {
	try {
		return namelessFiles(directory, pid).length > 0;
	} catch {
		return false;
	}
}

test('a child process has neither the descriptor nor the mapping', () => {
	const child = runChild(
		`import { spawnSync } from 'node:child_process';
		${stages['with live blocks']}
		const look = "ls -l /proc/self/fd; cat /proc/self/maps";
		const { stdout } = spawnSync('sh', ['-c', look], { encoding: 'utf8' });
		console.log(stdout.includes(process.argv[1]), stdout.length > 100);`,
		directory,
	);
	expect(child.stdout + child.stderr).toBe('false true\n');
});
