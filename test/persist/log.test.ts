// A log as its users see it. What power failures leave of it: log-failures.test.ts.
import {
	closeSync,
	existsSync,
	fstatSync,
	openSync,
	readFileSync,
	renameSync,
	rmSync,
	statSync,
	truncateSync,
	writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { PmemLog, type PmemLogOptions } from 'daxkind/persist';
import { expect, onTestFinished, test } from 'vitest';
import { contentOf, type LogMedium } from '#lib/persist/journal.js';
import { KIB, MIB } from '#lib/size.js';
import { execFile } from '../helpers/children.ts';
import { temporaryDirectory, tmpfs } from '../helpers/temporary-directory.ts';
import { countsOf, problem, trace } from '../helpers/traced.ts';

const code = (code: string) => expect.objectContaining({ code });
const newPath = () => join(temporaryDirectory(tmpfs), 'log');

/** Opens a log. It is closed after the test. */
function open(path: string, options?: PmemLogOptions): PmemLog {
	const log = PmemLog.open(path, options);
	onTestFinished(() => log.close());
	return log;
}

const texts = (log: PmemLog, from?: number) => [...log.iterate(from)].map(({ data }) => data.toString());

test('what was appended is there when the log is opened again, in its order', () => {
	const path = newPath();
	const log = open(path, { size: MIB });
	expect(texts(log)).toEqual([]);
	const positions = [
		log.append('one'),
		log.append(Buffer.from('two')),
		...log.appendAll(['', new Uint8Array(8), 'five']),
	];
	expect([...log.iterate()].map(({ position }) => position)).toEqual(positions);
	log.close();
	const again = open(path);
	expect(again.recovery).toEqual({ records: 0, scanned: 0, torn: false });
	expect(texts(again)).toEqual(['one', 'two', '', '\0'.repeat(8), 'five']);
	expect(texts(again, positions[3])).toEqual(['\0'.repeat(8), 'five']);
	expect(again.append('six')).toBe(again.tail - 24);
	expect(statSync(path)).toMatchObject({ size: MIB, mode: 0o100600 });
});

test('a log is recognised however little of what comes after it is asked about', () => {
	const path = newPath();
	open(path, { size: MIB }).close();
	const bytes = readFileSync(path);
	const medium = { length: bytes.length, at: (from: number, length: number) => bytes.subarray(from, from + length) };
	// On a device nobody knows how long the log is before it has been found.
	for (const length of [0, 1, MIB]) expect(contentOf(medium as LogMedium, length)).toBe('log');
	bytes.fill(0);
	expect(contentOf(medium as LogMedium, 0)).toBe('nothing');
});

test('no log is made in a file that has no name any more', () => {
	const path = newPath();
	const fd = openSync(path, 'wx+');
	onTestFinished(() => closeSync(fd));
	rmSync(path);
	expect(() => PmemLog.open(`/proc/self/fd/${fd}`, { size: MIB })).toThrow(code('ERR_DAXKIND_NOT_A_LOG'));
	expect(fstatSync(fd).size).toBe(0);
});

test('other views are stored by their bytes, at any length', () => {
	const log = open(newPath(), { size: 16 * MIB });
	const numbers = new Float64Array([1, 2, 3]).subarray(1);
	log.append(numbers);
	log.append(new DataView(numbers.buffer, 3, 5));
	const lengths = [1, 7, 8, 9, 4095, 4096, 4097, 65_535, 65_536, 5 * MIB];
	for (const length of lengths) log.append(Buffer.alloc(length, length & 0xff));
	const found = [...log.iterate()].map(({ data }) => data);
	expect(found[0]).toEqual(Buffer.from(new Uint8Array(numbers.buffer, 8)));
	expect(found[1]!.length).toBe(5);
	for (const [index, length] of lengths.entries()) {
		expect(found[index + 2]!.equals(Buffer.alloc(length, length & 0xff))).toBe(true);
	}
});

test('an opening after a kill scans from the last checkpoint only, whatever the log holds', async () => {
	const path = newPath();
	const script = `
		import { PmemLog } from 'daxkind/persist';
		const log = PmemLog.open(process.argv[1], { size: 64 * 2 ** 20 });
		for (let number = 0; number < 100_000; number++) log.append(String(number).padEnd(100));
		process.kill(process.pid, 'SIGKILL');`;
	await expect(execFile(process.execPath, ['--input-type=module', '-e', script, path])).rejects.toThrow();
	const log = open(path);
	expect(log.recovery.torn).toBe(false);
	expect(log.recovery.scanned).toBeLessThanOrEqual(64 * KIB + 128);
	let number = 0;
	for (const { data } of log.iterate()) expect(Number(data.toString())).toBe(number++);
	expect(number).toBe(100_000);
});

test('truncate removes the records from a position on, and all of them without one', () => {
	const path = newPath();
	const log = open(path, { size: MIB });
	const [, second] = log.appendAll(['one', 'two', 'three']);
	log.truncate(second);
	expect(texts(log)).toEqual(['one']);
	log.append('2');
	log.close();
	const again = open(path);
	expect(texts(again)).toEqual(['one', '2']);
	again.truncate();
	expect(texts(again)).toEqual([]);
	expect(again.tail).toBe(4096);
	again.truncate(again.tail);
});

test('a position at which no record begins is refused', () => {
	const log = open(newPath(), { size: MIB });
	const [first, second] = log.appendAll(['x'.repeat(100), 'two']) as [number, number];
	for (const wrong of [0, 4095, first + 8, second + 1, log.tail + 8, -1, 1.5, Number.NaN]) {
		expect(() => log.truncate(wrong)).toThrow(code('ERR_OUT_OF_RANGE'));
		expect(() => log.iterate(wrong)).toThrow(code('ERR_OUT_OF_RANGE'));
	}
	expect([...log.iterate(log.tail)]).toEqual([]);
	expect(texts(log)).toHaveLength(2);
});

test('a record that does not fit is refused, and the log stays as it was', () => {
	const log = open(newPath(), { size: 12 * KIB });
	log.append('one');
	const full = expect.objectContaining({ code: 'ERR_DAXKIND_LOG_FULL', left: 8 * KIB - 24 - 16 });
	expect(() => log.append(Buffer.alloc(9 * KIB))).toThrow(full);
	expect(() => log.appendAll(['two', Buffer.alloc(8 * KIB)])).toThrow(full);
	expect(texts(log)).toEqual(['one']);
	log.append(Buffer.alloc(8 * KIB - 24 - 16));
	expect(log.tail).toBe(log.size);
	expect(() => log.append('')).toThrow(code('ERR_DAXKIND_LOG_FULL'));
	log.truncate();
	log.append('again');
});

test('records that are appended while a log is iterated are seen, and a truncation ends it', () => {
	const log = open(newPath(), { size: MIB });
	log.appendAll(['a', 'b']);
	const seen: string[] = [];
	for (const { data } of log.iterate()) {
		seen.push(data.toString());
		if (seen.length < 4) log.append(`after ${seen.length}`);
	}
	expect(seen).toEqual(['a', 'b', 'after 1', 'after 2', 'after 3']);
	const records = log.iterate();
	records.next();
	log.truncate();
	log.append('new');
	expect(records.next().done).toBe(true);
	const later = log.iterate(log.append('late'));
	log.truncate();
	log.append(Buffer.alloc(500));
	expect([...later]).toEqual([]);
});

test('one thread of one process has the log', async () => {
	const path = newPath();
	const log = open(path, { size: MIB });
	const busy = { code: 'ERR_DAXKIND_LOG_BUSY', path };
	expect(() => PmemLog.open(path)).toThrow(expect.objectContaining(busy));
	const worker = new Worker(`require('daxkind/persist').PmemLog.open(require('node:worker_threads').workerData)`, {
		eval: true,
		workerData: path,
	});
	expect(await new Promise((resolve) => worker.once('error', resolve))).toMatchObject(busy);
	const script = `import('daxkind/persist').then(({ PmemLog }) => PmemLog.open(process.argv[1])).catch(({ code }) => console.log(code))`;
	expect((await execFile(process.execPath, ['-e', script, path])).stdout.trim()).toBe(busy.code);
	log.close();
	open(path).append('free again');
});

test('what is no log is left as it is', () => {
	const path = newPath();
	expect(() => PmemLog.open(path)).toThrow(code('ENOENT'));
	expect(existsSync(path)).toBe(false);
	const content = Buffer.alloc(MIB, 'something else');
	writeFileSync(path, content);
	for (const options of [{}, { size: MIB }]) {
		expect(() => PmemLog.open(path, options)).toThrow(
			expect.objectContaining({ code: 'ERR_DAXKIND_NOT_A_LOG', path, remedy: expect.any(String) }),
		);
	}
	expect(readFileSync(path).equals(content)).toBe(true);
	writeFileSync(path, '');
	expect(() => PmemLog.open(path)).toThrow(code('ERR_DAXKIND_NOT_A_LOG'));
	open(path, { size: MIB }).append('now it is one');
	expect(() => PmemLog.open(temporaryDirectory(tmpfs))).toThrow(code('EISDIR'));
});

test.each([
	['an image with its first byte at 64 KiB', MIB, 65_600],
	['a file with its last byte alone', 200_000, 199_999],
])('%s is no empty place for a log', (_, length, at) => {
	const path = newPath();
	const content = Buffer.alloc(length);
	content[at] = 7;
	writeFileSync(path, content);
	expect(() => PmemLog.open(path, { size: MIB })).toThrow(code('ERR_DAXKIND_NOT_A_LOG'));
	expect(readFileSync(path).equals(content)).toBe(true);
	// Zeros are one, also if there are more or less of them than the log needs.
	writeFileSync(path, Buffer.alloc(length));
	open(path, { size: MIB }).append('one');
	expect(statSync(path).size).toBe(MIB);
});

test('an opening that fails leaves what was there, and no file where there was none', () => {
	const path = newPath();
	expect(() => PmemLog.open(path, { size: MIB, granularity: 'byte' })).toThrow(code('ERR_DAXKIND_GRANULARITY'));
	expect(existsSync(path)).toBe(false);
	expect(() => PmemLog.open(path, { size: 2 ** 45 })).toThrow(expect.objectContaining({ syscall: expect.any(String) }));
	expect(existsSync(path)).toBe(false);
	writeFileSync(path, '');
	expect(() => PmemLog.open(path, { size: 2 ** 45 })).toThrow(expect.objectContaining({ syscall: expect.any(String) }));
	expect(statSync(path).size).toBe(0);
	open(path, { size: 8 * KIB }).close();
	const before = readFileSync(path);
	expect(() => PmemLog.open(path, { size: MIB })).toThrow(code('ERR_OUT_OF_RANGE'));
	expect(readFileSync(path).equals(before)).toBe(true);
});

test('two logs that change their names while they are opened are still two', () => {
	const [one, other] = [newPath(), newPath()];
	open(one, { size: MIB }).close();
	const log = open(one);
	renameSync(one, other);
	expect(() => PmemLog.open(other)).toThrow(code('ERR_DAXKIND_LOG_BUSY'));
	open(one, { size: MIB }).append('another log');
	log.append('the first log');
	log.close();
	expect(texts(open(other))).toEqual(['the first log']);
});

test.skipIf(problem !== undefined)(
	'with page granularity an append is one msync, with cache-line granularity one fence, however many records it has',
	{ timeout: 120_000 },
	() => {
		const prepare = `
			const { PmemLog } = await import('daxkind/persist');
			const long = Buffer.alloc(4200);
			const log = PmemLog.open(path + '.log', { size: 2 ** 20 });`;
		const actions = [`log.append('one')`, `log.appendAll(['two', 'three', 'four'])`, 'log.append(long)'];
		for (const events of trace(actions, { granularity: 'page', prepare })) {
			expect(countsOf(events)).toEqual({ msync: 1 });
		}
		for (const events of trace(actions, { granularity: 'cache-line', prepare })) {
			expect(countsOf(events).fence).toBe(1);
			expect(events.at(-1)!.what).toBe('fence');
		}
	},
);

test('what is appended to lost memory is an error, whatever the granularity', async () => {
	for (const granularity of ['PAGE', 'CACHE_LINE', 'BYTE']) {
		const script = `
			import { truncateSync } from 'node:fs';
			import { PmemLog } from 'daxkind/persist';
			const log = PmemLog.open(process.argv[1], { size: 2 ** 20, onMediaError() {} });
			log.append(Buffer.alloc(5000));
			truncateSync(process.argv[1], 4096);
			try { log.append('two'); console.log('appended'); } catch ({ code }) { console.log(code); }`;
		const env = { ...process.env, PMEM2_FORCE_GRANULARITY: granularity };
		const args = ['--input-type=module', '-e', script, newPath()];
		expect((await execFile(process.execPath, args, { env })).stdout.trim()).toBe('EFAULT');
	}
});

test('a size that is not that of the log is refused', () => {
	const path = newPath();
	open(path, { size: MIB }).close();
	expect(() => PmemLog.open(path, { size: 2 * MIB })).toThrow(code('ERR_OUT_OF_RANGE'));
	open(path, { size: MIB }).close();
	for (const size of [0, 8 * KIB - 1, 1.5])
		expect(() => PmemLog.open(newPath(), { size })).toThrow(code('ERR_OUT_OF_RANGE'));
	truncateSync(path, MIB / 2);
	const cutOff = { code: 'ERR_DAXKIND_LOG_CORRUPTED', path, message: expect.stringContaining('cut off') };
	expect(() => PmemLog.open(path)).toThrow(expect.objectContaining(cutOff));
	truncateSync(path, 4096);
	expect(() => PmemLog.open(path)).toThrow(expect.objectContaining(cutOff));
});

test('a record that somebody has changed is found when it is read', () => {
	const path = newPath();
	const log = open(path, { size: MIB });
	const [, second] = log.appendAll(['one', 'two', 'three']) as [number, number];
	log.close();
	const bytes = readFileSync(path);
	bytes[second + 17]! ^= 1;
	writeFileSync(path, bytes);
	const again = open(path);
	const records = again.iterate();
	expect(records.next().value!.data.toString()).toBe('one');
	expect(() => records.next()).toThrow(
		expect.objectContaining({ code: 'ERR_DAXKIND_LOG_CORRUPTED', position: second }),
	);
});

test('both checkpoints are needed for a log to be lost', () => {
	const path = newPath();
	const log = open(path, { size: MIB });
	log.append('one');
	log.close();
	for (const slot of [1024, 2048]) {
		const bytes = readFileSync(path);
		bytes[slot]! ^= 1;
		writeFileSync(path, bytes);
		if (slot === 1024) {
			const again = open(path);
			expect(texts(again)).toEqual(['one']);
			again.close();
		}
	}
});

test('the room that a full log tells of is there', () => {
	const log = open(newPath(), { size: 8 * KIB + 1 });
	let left = 0;
	try {
		log.append(Buffer.alloc(9 * KIB));
	} catch (error) {
		({ left } = error as { left: number });
	}
	expect(left).toBe(4 * KIB - 16);
	log.append(Buffer.alloc(left));
});

test('a log says what makes it persistent, and refuses a granularity that is too coarse', () => {
	const path = newPath();
	const log = open(path, { size: MIB });
	expect(log.granularity).toBe('page');
	expect(log.why.reason).toContain('tmpfs');
	expect(log.size).toBe(MIB);
	log.close();
	expect(() => PmemLog.open(path, { granularity: 'cache-line' })).toThrow(code('ERR_DAXKIND_GRANULARITY'));
	// The failed opening has given back the lock.
	open(pathToFileURL(path) as unknown as string).append('one');
});

test('wrong arguments and a closed log are refused', () => {
	const log = open(newPath(), { size: MIB });
	for (const wrong of [undefined, null, 1, {}, []]) {
		expect(() => log.append(wrong as never)).toThrow(code('ERR_INVALID_ARG_TYPE'));
	}
	expect(() => PmemLog.open(1 as never)).toThrow(code('ERR_INVALID_ARG_TYPE'));
	expect(() => PmemLog.open(newPath(), { length: 1 } as never)).toThrow(code('ERR_INVALID_ARG_VALUE'));
	expect(() => Reflect.construct(PmemLog, [])).toThrow(code('ERR_ILLEGAL_CONSTRUCTOR'));
	const records = log.iterate();
	log.append('one');
	log.append('two');
	records.next();
	log.close();
	log[Symbol.dispose]();
	expect(() => records.next()).toThrow(code('ERR_INVALID_STATE'));
	for (const call of [() => log.append(''), () => log.iterate(), () => log.truncate(), () => log.tail, () => log.why]) {
		expect(call).toThrow(code('ERR_INVALID_STATE'));
	}
	expect(() => PmemLog.prototype.append.call({} as never, '')).toThrow(code('ERR_INVALID_THIS'));
});
