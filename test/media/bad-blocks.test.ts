// badBlocks and repair on a machine without bad blocks. They refuse what they should, and touch nothing.
// test/guest-memory/media.test.ts tests real bad blocks.
import { mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { badBlocksAsync, repairAsync } from 'daxkind/media';
import { expect, test } from 'vitest';
import { rangeBytes } from '#lib/media/ranges.js';
import { native } from '#lib/native.js';
import { execFileSync } from '../helpers/children.ts';
import { temporaryDirectory, tmpfs } from '../helpers/temporary-directory.ts';

const code = (name: string) => expect.objectContaining({ code: name });

test('a file and a directory of a tmpfs have none, for there is no device', async () => {
	const directory = temporaryDirectory(tmpfs);
	const file = join(directory, 'file');
	writeFileSync(file, 'x');
	symlinkSync(file, join(directory, 'link'));
	const nothing = { device: undefined, parts: [], unowned: undefined, sources: [], doubts: [], failures: [] };
	expect(await badBlocksAsync(file)).toEqual({ path: file, type: 'file', files: 0, directories: 0, ...nothing });
	expect(await badBlocksAsync(pathToFileURL(directory))).toMatchObject({
		path: directory,
		type: 'directory',
		...nothing,
	});
	expect(await badBlocksAsync(join(directory, 'link'))).toMatchObject({ type: 'file' });
	expect(await repairAsync(directory, { zeros: true })).toMatchObject({
		parts: [],
		lost: 0,
		isRepaired: true,
		dryRun: false,
	});
});

test('a path that is not there, and what is neither file nor device, are errors', async () => {
	const directory = temporaryDirectory();
	await expect(badBlocksAsync(join(directory, 'missing'))).rejects.toEqual(code('ENOENT'));
	execFileSync('mkfifo', [join(directory, 'fifo')]);
	await expect(badBlocksAsync(join(directory, 'fifo'))).rejects.toMatchObject({
		code: 'EINVAL',
		path: join(directory, 'fifo'),
	});
	await expect(badBlocksAsync('/dev/null')).rejects.toEqual(code('EINVAL'));
	await expect(badBlocksAsync(1 as unknown as string)).rejects.toEqual(code('ERR_INVALID_ARG_TYPE'));
});

test('an option that does not fit, or is not known, is refused', async () => {
	const directory = temporaryDirectory();
	const wrong: [object, string][] = [
		[{ method: 'punch' }, 'ERR_INVALID_ARG_VALUE'],
		[{ method: ['rewrite'] }, 'ERR_INVALID_ARG_TYPE'],
		[{ zero: true }, 'ERR_INVALID_ARG_VALUE'],
		[{ zeros: 1 }, 'ERR_INVALID_ARG_TYPE'],
		[{ dryRun: 'no' }, 'ERR_INVALID_ARG_TYPE'],
		[{ from: 5 }, 'ERR_INVALID_ARG_TYPE'],
		[{ signal: {} }, 'ERR_INVALID_ARG_TYPE'],
	];
	for (const [options, expected] of wrong)
		await expect(repairAsync(directory, options)).rejects.toEqual(code(expected));
	await expect(badBlocksAsync(directory, { onProgres: () => {} } as object)).rejects.toEqual(
		code('ERR_INVALID_ARG_VALUE'),
	);
	await expect(repairAsync(directory, { method: 'punch' as never })).rejects.toThrow(
		"The property 'options.method' must be one of 'rewrite', 'reallocate', 'quarantine'. Received 'punch'",
	);
	const reason = new Error('enough');
	await expect(badBlocksAsync(directory, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
	await expect(repairAsync(directory, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
});

test('the walk goes by extents, tells a file with two names once, follows no link, and finds what is on the ranges', async () => {
	const directory = temporaryDirectory();
	mkdirSync(join(directory, 'below'));
	writeFileSync(join(directory, 'below/file'), Buffer.alloc(3 * 4096, 1));
	execFileSync('ln', [join(directory, 'below/file'), join(directory, 'below/other name')]);
	symlinkSync('/', join(directory, 'root'));
	execFileSync('sync', [join(directory, 'below/file')]);
	const everything = rangeBytes([{ offset: 0, length: 2 ** 52 }]);
	const scan = await native.scanBadBlocksAsync(directory, everything, 4096).promise;
	expect(scan).toMatchObject({ files: 2, directories: 2, failures: [], hasRealtime: false });
	const files = scan.hits.filter(({ isDirectory }) => !isDirectory);
	// Some file systems do not say where their files are.
	if (scan.isSilent) return;
	expect(files.map(({ size, links }) => ({ size, links }))).toEqual([{ size: 3 * 4096, links: 2 }]);
	expect(files[0]!.parts[1]).toBeGreaterThanOrEqual(3 * 4096);
});

test('pages that can be read are never written, whatever is asked, and a copy that fails is gone', async () => {
	const directory = temporaryDirectory();
	const file = join(directory, 'file');
	writeFileSync(file, Buffer.alloc(8192, 'good'));
	const { ino, mtimeNs } = statSync(file, { bigint: true });
	const all = rangeBytes([{ offset: 0, length: 65536 }]);
	const pages = await native.repairPagesAsync(file, false, all, 4096, true, true).promise;
	expect(pages.map(({ offset, length, outcome }) => [offset, length, outcome])).toEqual([
		[0, 8192, 'healthy'],
		[8192, 57344, 'beyond-end'],
	]);
	const after = statSync(file, { bigint: true });
	expect([after.ino, after.mtimeNs, readFileSync(file, 'latin1')]).toEqual([ino, mtimeNs, 'good'.repeat(2048)]);
	const missing = native.repairPagesAsync(join(directory, 'missing'), false, all, 4096, true, false).promise;
	await expect(missing).rejects.toEqual(code('ENOENT'));
	const kept = native.quarantineFileAsync(file, join(directory, 'missing/kept'), 4096, true).promise;
	await expect(kept).rejects.toEqual(expect.objectContaining({ syscall: expect.stringMatching(/open|ioctl/) }));
});
