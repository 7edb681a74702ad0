// The DAX flag off DAX: its errors, and what it says where it decides nothing. test/guest/dax-flags.test.ts tests it on
// DAX.
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { getDaxFlag, setDaxFlag, setDaxFlagAsync, whenEffectiveAsync } from 'daxkind';
import { expect, onTestFinished, test } from 'vitest';
import { execFileSync } from '../helpers/children.ts';
import { directoryWithFlag, temporaryDirectory, tmpfs } from '../helpers/temporary-directory.ts';

function newFile(directory: string): string {
	const file = join(directory, 'file');
	writeFileSync(file, 'contents');
	return file;
}

test('the flag of a file and of a directory is set and cleared, and off DAX that is all', async ({ skip }) => {
	const directory = directoryWithFlag(skip);
	const off = { flag: false, effective: false, pending: false };
	const on = { flag: true, effective: false, pending: false };
	for (const path of [newFile(directory), directory]) {
		expect(getDaxFlag(path)).toEqual(off);
		expect(setDaxFlag(path, true)).toEqual(on);
		expect(setDaxFlag(path, true)).toEqual(on);
		expect(getDaxFlag(path)).toEqual(on);
		expect(await setDaxFlagAsync(path, false)).toMatchObject(off);
		expect(getDaxFlag(path)).toEqual(off);
	}
});

test('what is made in a directory with the flag inherits it', ({ skip }) => {
	const directory = directoryWithFlag(skip);
	setDaxFlag(directory, true);
	mkdirSync(join(directory, 'below'));
	expect(getDaxFlag(newFile(join(directory, 'below')))).toMatchObject({ flag: true });
});

test('waiting for the flag to be in effect ends at once where it is, and where it never will be', async ({ skip }) => {
	const directory = directoryWithFlag(skip);
	const file = newFile(directory);
	for (const path of [file, directory]) {
		expect(await whenEffectiveAsync(path)).toEqual({ flag: false, effective: false, pending: false });
		setDaxFlag(path, true);
		await expect(whenEffectiveAsync(path)).rejects.toMatchObject({
			code: 'ERR_DAXKIND_FLAG_IGNORED',
			message: expect.stringMatching(/is set, but does not decide: .+ \(it is not on DAX\)$/),
		});
	}
});

const whole: [string, (path: string) => unknown][] = [
	['setDaxFlag', (path) => setDaxFlag(path, true)],
	['recursive setDaxFlag', (path) => setDaxFlag(path, true, { recursive: true })],
	['setDaxFlagAsync', (path) => setDaxFlagAsync(path, true)],
	['recursive setDaxFlagAsync', (path) => setDaxFlagAsync(path, true, { recursive: true })],
];
const every: typeof whole = [['getDaxFlag', getDaxFlag], ['whenEffectiveAsync', whenEffectiveAsync], ...whole];

/** The error that a call throws or rejects with. */
async function errorOf(call: (path: string) => unknown, path: string): Promise<NodeJS.ErrnoException> {
	try {
		await call(path);
	} catch (error) {
		return error as NodeJS.ErrnoException;
	}
	throw new Error('it has succeeded');
}

test.each(whole)('%s on tmpfs is ENOTSUP, for it has no such flag', async (_, call) => {
	const directory = temporaryDirectory(tmpfs);
	for (const path of [directory, newFile(directory)]) {
		expect(getDaxFlag(path)).toEqual({ flag: false, effective: false, pending: false });
		expect(await errorOf(call, path)).toMatchObject({
			code: 'ENOTSUP',
			errno: -95,
			syscall: 'ioctl',
			path,
			message: `ENOTSUP: this file system has no per-file DAX flag; ext4 and XFS have one, ioctl '${path}'`,
		});
	}
});

test.each(every)('%s of what is neither file nor directory is ENOTTY', async (_, call) => {
	const fifo = join(temporaryDirectory(), 'fifo');
	execFileSync('mkfifo', [fifo]);
	for (const path of ['/dev/null', fifo]) {
		const error = await errorOf(call, path);
		expect(error).toMatchObject({ code: 'ENOTTY', errno: -25, syscall: 'ioctl', path });
		expect(error.message).toContain('neither a file nor a directory');
	}
});

test.each(every)('%s in /proc is ENOTTY, for it has no such flag', async (_, call) => {
	for (const path of ['/proc/self/status', '/proc/self']) {
		const real = path === '/proc/self' ? `/proc/${process.pid}` : path;
		const error = await errorOf(call, real);
		expect(error).toMatchObject({ code: 'ENOTTY', syscall: 'ioctl', path: real });
		expect(error.message).toContain('this file system has no per-file DAX flag');
	}
});

test.each(every)('%s of a symbolic link is ELOOP, and of nothing ENOENT', async (_, call) => {
	const directory = temporaryDirectory();
	const link = join(directory, 'link');
	symlinkSync('missing', link);
	expect(await errorOf(call, link)).toMatchObject({
		code: 'ELOOP',
		syscall: 'open',
		path: link,
		message: expect.stringContaining('a symbolic link has no flags'),
	});
	const missing = join(directory, 'missing');
	expect(await errorOf(call, missing)).toMatchObject({ code: 'ENOENT', syscall: 'open', path: missing });
});

function asNobody(): void {
	const user = process.geteuid!();
	process.seteuid!(65534);
	onTestFinished(() => {
		process.seteuid!(user);
	});
}

test('a flag that another user may set is EPERM, and a file that this one may not read EACCES', ({ skip }) => {
	skip(process.geteuid!() !== 0, 'needs root, to become another user');
	const directory = directoryWithFlag(skip);
	const file = newFile(directory);
	chmodSync(directory, 0o755);
	chmodSync(file, 0o666);
	const secret = join(directory, 'secret');
	writeFileSync(secret, '', { mode: 0o600 });
	asNobody();
	expect(() => setDaxFlag(file, true)).toThrow(
		expect.objectContaining({ code: 'EPERM', syscall: 'ioctl', path: file, message: expect.stringMatching(/owner/) }),
	);
	expect(getDaxFlag(file).flag).toBe(false);
	expect(() => getDaxFlag(secret)).toThrow(
		expect.objectContaining({
			code: 'EACCES',
			syscall: 'open',
			message: expect.stringMatching(/must be allowed to read the file/),
		}),
	);
});

test.each([undefined, null, 1, 'true'])('%s is not whether the flag is to be set', async (on) => {
	const code = 'ERR_INVALID_ARG_TYPE';
	expect(() => setDaxFlag(tmpfs, on as never)).toThrow(expect.objectContaining({ code }));
	await expect(setDaxFlagAsync(tmpfs, on as never)).rejects.toMatchObject({ code });
});

test.each<[unknown]>([[null], [1], [{ recursive: 1 }], [{ signal: {} }], [{ onProgress: true }]])(
	'%o are no options',
	async (options) => {
		const code = 'ERR_INVALID_ARG_TYPE';
		await expect(setDaxFlagAsync(tmpfs, true, options as never)).rejects.toMatchObject({ code });
	},
);

test('the synchronous call and whenEffectiveAsync check their options, too', async () => {
	const expected = { code: 'ERR_INVALID_ARG_TYPE' };
	for (const options of [null, 1, { recursive: 1 }]) {
		expect(() => setDaxFlag(tmpfs, true, options as never)).toThrow(expect.objectContaining(expected));
	}
	for (const options of [null, 1, { signal: {} }]) {
		await expect(whenEffectiveAsync(tmpfs, options as never)).rejects.toMatchObject(expected);
	}
});

test('a signal that is aborted already is the reason, and nothing has changed', async ({ skip }) => {
	const directory = directoryWithFlag(skip);
	const reason = new Error('not wanted');
	const signal = AbortSignal.abort(reason);
	await expect(setDaxFlagAsync(directory, true, { signal })).rejects.toBe(reason);
	await expect(whenEffectiveAsync(directory, { signal })).rejects.toBe(reason);
	expect(getDaxFlag(directory).flag).toBe(false);
});
