// The process that writes to sysfs: what it cannot write, what takes for ever, and that the next write then works as if
// nothing had happened.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { Writer } from '#lib/device/writer.js';
import { execFileSync, spawn } from '../helpers/children.ts';
import { childrenOf, commandLine, isAlive, until } from '../helpers/process.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';

const writer = new Writer();
afterEach(() => writer.close());

/** A file, and a FIFO that nobody reads. To open that for writing waits. */
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

/**
 * Runs a program that writes to a FIFO that nobody reads, and ends it. Returns what it printed, and the id of its
 * process that writes.
 */
async function writing(end: string): Promise<{ output: string; child: number }> {
	const { fifo, file } = files();
	const program = `
		import { Writer } from '#lib/device/writer.js';
		const writer = new Writer();
		await writer.write(${JSON.stringify(file)}, 'x');
		writer.write(${JSON.stringify(fifo)}, 'x').catch(() => {});
		process.on('SIGINT', async () => {
			await writer.write(${JSON.stringify(file)}, 'y', { limitMs: 5000 }).then(() => console.log('written'), console.log);
			process.exit();
		});
		console.log('begun');
		setInterval(() => {}, 1000);`;
	// It has a process group of its own, as in a terminal.
	const parent = spawn(process.execPath, ['--input-type=module', '-e', program], { detached: true });
	let output = '';
	parent.stdout.setEncoding('utf8').on('data', (text) => {
		output += text;
	});
	const isWriting = (pid: number) => commandLine(pid).includes('writer-process');
	await until(() => output.includes('begun') && childrenOf(parent.pid!).some(isWriting));
	const child = childrenOf(parent.pid!).find(isWriting)!;
	const ended = new Promise((resolve) => parent.once('exit', resolve));
	await new Promise((resolve) => setTimeout(resolve, 300));
	if (end === 'SIGINT') process.kill(-parent.pid!, end);
	else parent.kill('SIGKILL');
	await ended;
	return { output, child };
}

test('Ctrl-C is for who called, not for the process that writes', async () => {
	const { output } = await writing('SIGINT');
	expect(output).toMatch(/begun\n.*written/s);
});

test('the process that writes ends with the one that called, even in the middle of a write', async () => {
	const { child } = await writing('SIGKILL');
	await until(() => !isAlive(child));
	expect(isAlive(child)).toBe(false);
});
