// What the guest boots from the cache: only files that this user or root has put there, and that nobody else could
// change.
import { chmodSync, chownSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { cached } from '#lib/vm/cache.js';
import { temporaryDirectory, tmpfs } from '../helpers/temporary-directory.ts';

let base: string;

beforeEach(() => {
	base = temporaryDirectory(tmpfs);
	vi.stubEnv('XDG_CACHE_HOME', base);
	return () => vi.unstubAllEnvs();
});

const entry = (make = (path: string) => writeFileSync(path, 'made')) => cached('vm/kernel', make);
const refused = (where: string, why: RegExp) =>
	expect.objectContaining({
		code: 'ERR_DAXKIND_VM_CACHE',
		message: expect.stringMatching(new RegExp(`${where}${why.source}`)),
	});

test('an entry is made once, for this user only, whatever the umask', async () => {
	const mask = process.umask(0);
	try {
		expect(readFileSync(await entry(), 'utf8')).toBe('made');
	} finally {
		process.umask(mask);
	}
	expect(statSync(join(base, 'daxkind/vm')).mode & 0o777).toBe(0o700);
	expect(statSync(join(base, 'daxkind/vm/kernel')).mode & 0o777).toBe(0o644);
	const again = () => {
		throw new Error('made again');
	};
	expect(await entry(again)).toBe(join(base, 'daxkind/vm/kernel'));
});

test.each(['daxkind', 'daxkind/vm', 'daxkind/vm/kernel'])('%s that others may write to is refused', async (name) => {
	await entry();
	chmodSync(join(base, name), 0o702);
	await expect(entry()).rejects.toThrow(refused(name, /\. Fix: remove it/));
});

describe.skipIf(process.geteuid?.() !== 0)('as root', () => {
	test.each(['daxkind', 'daxkind/vm', 'daxkind/vm/kernel'])('%s of another user is refused', async (name) => {
		await entry();
		chownSync(join(base, name), 1234, 1234);
		await expect(entry()).rejects.toThrow(refused(name, / belongs to the user 1234\. Fix: set XDG_CACHE_HOME/));
	});

	test('in the home of another user nothing is made, because he could put another in its place', async () => {
		chownSync(base, 1234, 1234);
		await expect(entry()).rejects.toThrow(refused(base, / belongs to the user 1234/));
		expect(() => statSync(join(base, 'daxkind/vm/kernel'))).toThrow('ENOENT');
	});

	test("a link to what is another user's is no way around", async () => {
		await entry();
		const other = join(base, 'other');
		writeFileSync(other, 'his');
		chownSync(other, 1234, 1234);
		symlinkSync(other, join(base, 'daxkind/vm/link'));
		await expect(cached('vm/link', () => {})).rejects.toThrow(refused(other, / belongs to the user 1234/));
	});

	test("the group of its owner's own number may write, another group may not", async () => {
		mkdirSync(join(base, 'daxkind'));
		chmodSync(join(base, 'daxkind'), 0o770);
		await entry();
		chownSync(join(base, 'daxkind'), 0, 1234);
		await expect(entry()).rejects.toThrow(refused('daxkind', /\. Fix: remove it/));
	});
});
