// The process that writes to sysfs: what it cannot write, what takes for ever, and that the next write is as if nothing had been.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { Writer } from '#lib/device/writer.js';
import { childrenOf, commandLine } from '../helpers/process.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';

const writer = new Writer();
afterEach(() => writer.close());

/** A file, and a FIFO that nobody reads: who opens it for writing waits. */
function files() {
	const directory = temporaryDirectory();
	const [file, fifo] = [join(directory, 'file'), join(directory, 'fifo')];
	writeFileSync(file, '');
	execFileSync('mkfifo', [fifo]);
	return { file, fifo, missing: join(directory, 'missing') };
}

test('writes, and says which call failed on what', async () => {
	const { file, missing } = files();
	await writer.write(file, 'one');
	expect(readFileSync(file, 'utf8')).toBe('one');
	await expect(writer.write(missing, 'two')).rejects.toMatchObject({ code: 'ENOENT', syscall: 'open', path: missing });
	await writer.write(file, 'three');
	expect(readFileSync(file, 'utf8')).toBe('three');
});

test('a write that does not return is ended after the limit, or by a signal, and the next one works', async () => {
	const { file, fifo } = files();
	await expect(writer.write(fifo, 'x', { limitMs: 200 })).rejects.toMatchObject({ code: 'ETIMEDOUT', path: fifo });
	await writer.write(file, 'four');
	const stop = new AbortController();
	const stuck = writer.write(fifo, 'x', { signal: stop.signal });
	stop.abort('enough');
	await expect(stuck).rejects.toBe('enough');
	await writer.write(file, 'five!');
	expect(readFileSync(file, 'utf8')).toBe('five!');
	await expect(writer.write(file, 'x', { signal: stop.signal })).rejects.toBe('enough');
});

test('the end of the process in the middle of a write is an error', async () => {
	const { fifo } = files();
	const stuck = writer.write(fifo, 'x');
	await new Promise((resolve) => setTimeout(resolve, 500));
	for (const pid of childrenOf(process.pid))
		if (commandLine(pid).includes('writer-process')) process.kill(pid, 'SIGKILL');
	await expect(stuck).rejects.toMatchObject({ code: 'EPIPE' });
});
