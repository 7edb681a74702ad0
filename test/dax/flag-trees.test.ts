// The DAX flag of whole trees, on any ext4 or XFS.
import {
	chmodSync,
	chownSync,
	linkSync,
	mkdirSync,
	readdirSync,
	renameSync,
	rmSync,
	symlinkSync,
	writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type DaxFlagProgress, getDaxFlag, setDaxFlag, setDaxFlagAsync } from 'daxkind';
import { expect, onTestFinished, test } from 'vitest';
import { execFileSync } from '../helpers/children.ts';
import { directoryWithFlag } from '../helpers/temporary-directory.ts';
import { Thread } from '../helpers/thread.ts';

/**
 * A directory, and all files and directories below it. It does not use Node's own recursion, which follows symbolic
 * links on Node 22.
 */
function below(directory: string): string[] {
	const entries = readdirSync(directory, { withFileTypes: true });
	return [
		directory,
		...entries.filter((entry) => entry.isFile()).map(({ name }) => join(directory, name)),
		...entries.filter((entry) => entry.isDirectory()).flatMap(({ name }) => below(join(directory, name))),
	];
}

/** The relative paths among these that have the flag, sorted. */
function flagged(directory: string): string[] {
	return below(directory)
		.filter((path) => getDaxFlag(path).flag)
		.map((path) => path.slice(directory.length + 1))
		.sort();
}

const recursive = { recursive: true } as const;

function tree(directory: string): void {
	for (const name of ['a', 'a/b', 'c']) mkdirSync(join(directory, name));
	for (const name of ['1', 'a/2', 'a/b/3', 'a/b/4', 'c/5']) writeFileSync(join(directory, name), '');
}

test('all files and directories of a tree get the flag, and lose it; what is so already is not changed', async ({
	skip,
}) => {
	const top = directoryWithFlag(skip);
	tree(top);
	const counts = { files: 5, directories: 4, failures: [] };
	expect(setDaxFlag(top, true, recursive)).toEqual({
		flag: true,
		effective: false,
		pending: false,
		...counts,
		changed: 9,
	});
	expect(flagged(top)).toEqual(['', '1', 'a', 'a/2', 'a/b', 'a/b/3', 'a/b/4', 'c', 'c/5']);
	expect(setDaxFlag(`${top}/`, true, recursive)).toMatchObject({ ...counts, changed: 0 });
	setDaxFlag(join(top, 'a/b/3'), false);
	expect(await setDaxFlagAsync(top, false, recursive)).toMatchObject({ flag: false, ...counts, changed: 8 });
	expect(flagged(top)).toEqual([]);
});

test('without recursion only the directory itself is changed', async ({ skip }) => {
	const top = directoryWithFlag(skip);
	tree(top);
	setDaxFlag(top, true);
	expect(flagged(top)).toEqual(['']);
	expect(await setDaxFlagAsync(top, false)).toMatchObject({ directories: 1, files: 0, changed: 1 });
	expect(setDaxFlag(join(top, '1'), true, recursive)).toMatchObject({ directories: 0, files: 1, changed: 1 });
});

test('a file with two names is changed once', ({ skip }) => {
	const top = directoryWithFlag(skip);
	writeFileSync(join(top, 'one'), '');
	linkSync(join(top, 'one'), join(top, 'two'));
	expect(setDaxFlag(top, true, recursive)).toMatchObject({ files: 2, directories: 1, changed: 2 });
});

test('symbolic links are not followed, and what is neither file nor directory is left alone', async ({ skip }) => {
	const outside = directoryWithFlag(skip);
	tree(outside);
	const top = join(outside, 'c');
	symlinkSync('../a', join(top, 'to a directory'));
	symlinkSync('../1', join(top, 'to a file'));
	symlinkSync('..', join(top, 'up'));
	symlinkSync('missing', join(top, 'to nothing'));
	execFileSync('mkfifo', [join(top, 'fifo')]);
	const server = createServer().listen(join(top, 'socket'));
	onTestFinished(() => {
		server.close();
	});
	await new Promise((resolve) => server.once('listening', resolve));
	expect(setDaxFlag(top, true, recursive)).toMatchObject({ files: 1, directories: 1, changed: 2, failures: [] });
	expect(flagged(outside)).toEqual(['c', 'c/5']);
});

test('a directory that is exchanged for a symbolic link during the walk leads nowhere', async ({ skip }) => {
	const outside = directoryWithFlag(skip);
	const top = join(outside, 'top');
	mkdirSync(join(top, 'directory/below'), { recursive: true });
	mkdirSync(join(outside, 'precious/below'), { recursive: true });
	for (const name of ['top/directory/below/file', 'precious/file', 'precious/below/file']) {
		writeFileSync(join(outside, name), '');
	}
	symlinkSync('../precious', join(top, 'link'));
	const thread = await Thread.start();
	thread.start((_, top) => {
		const { renameSync } = process.getBuiltinModule('node:fs');
		for (;;) {
			renameSync(`${top}/directory`, `${top}/away`);
			renameSync(`${top}/link`, `${top}/directory`);
			renameSync(`${top}/directory`, `${top}/link`);
			renameSync(`${top}/away`, `${top}/directory`);
		}
	}, top);
	for (let round = 0; round < 2000; round++) setDaxFlag(top, true, recursive);
	await thread.terminate();
	rmSync(join(top, 'link'), { force: true });
	expect(flagged(join(outside, 'precious'))).toEqual([]);
});

const chattr = (by: '+i' | '-i', file: string) => execFileSync('chattr', [by, file], { stdio: 'pipe' });

/**
 * Makes a file immutable for the rest of the test, so that not even root can change it. Returns false if that needs
 * root.
 */
function makeImmutable(file: string): boolean {
	try {
		chattr('+i', file);
	} catch {
		return false;
	}
	onTestFinished(() => {
		chattr('-i', file);
	});
	return true;
}

test('what cannot be changed is reported with its path and the reason, and the rest is changed', async ({ skip }) => {
	const top = directoryWithFlag(skip);
	tree(top);
	const file = join(top, 'a/b/3');
	skip(!makeImmutable(file), 'needs root, to make a file immutable');
	const changes = [setDaxFlag(top, true, recursive)];
	setDaxFlag(join(top, 'c'), false, recursive);
	changes.push(await setDaxFlagAsync(`${top}//`, true, recursive));
	for (const [n, { failures, ...rest }] of changes.entries()) {
		expect(rest).toMatchObject({ flag: true, files: 5, directories: 4, changed: n === 0 ? 8 : 2 });
		expect(failures).toEqual([expect.any(Error)]);
		expect(failures[0]).toMatchObject({ code: 'EPERM', errno: -1, syscall: 'ioctl', path: file });
		expect(failures[0]!.message).toContain('it is immutable');
	}
});

test("another's directory at the top is a failure, and one's own files below it are changed", ({ skip }) => {
	skip(process.geteuid!() !== 0, 'needs root, to become another user');
	const top = directoryWithFlag(skip);
	const nobody = 65534;
	chmodSync(top, 0o755);
	writeFileSync(join(top, 'own'), '');
	chownSync(join(top, 'own'), nobody, nobody);
	mkdirSync(join(top, 'closed'), { mode: 0o700 });
	process.seteuid!(nobody);
	try {
		const { failures, ...rest } = setDaxFlag(top, true, recursive);
		expect(rest).toMatchObject({ flag: false, files: 1, directories: 1, changed: 1 });
		expect(failures.map(({ code, path }) => [code, path])).toEqual([
			['EPERM', top],
			['EACCES', join(top, 'closed')],
		]);
	} finally {
		process.seteuid!(0);
	}
	expect(flagged(top)).toEqual(['own']);
});

test('a name that is not UTF-8 is changed, and can be read in an error', ({ skip }) => {
	const top = directoryWithFlag(skip);
	const directory = Buffer.concat([Buffer.from(`${top}/d`), Buffer.from([0xe9, 0xff])]);
	const file = Buffer.concat([directory, Buffer.from('/fü')]);
	mkdirSync(directory);
	writeFileSync(file, '');
	expect(setDaxFlag(top, true, recursive)).toMatchObject({ files: 1, directories: 2, changed: 3 });
	expect(setDaxFlag(top, true, recursive)).toMatchObject({ changed: 0 });
	skip(process.geteuid!() !== 0, 'needs root, for a file that cannot be changed');
	// bash reads the path in $'…' as the error shows it.
	const shown = `${top}/d\\xe9\\xff/f\\xc3\\xbc`;
	const chattrShown = (by: string) => execFileSync('bash', ['-c', `chattr ${by} $'${shown}'`]);
	chattrShown('+i');
	onTestFinished(() => {
		chattrShown('-i');
	});
	const { failures } = setDaxFlag(top, false, recursive);
	expect(failures.map(({ path }) => path)).toEqual([shown]);
});

test('a tree that is deeper than paths can be long is changed, with few descriptors', ({ skip }) => {
	const top = directoryWithFlag(skip);
	onTestFinished(() => {
		execFileSync('rm', ['-rf', top]);
	});
	const levels = 400;
	const name = 'a directory with a long name'.padEnd(40, '-');
	// Each level has a file, and a second directory that is entered on the way back up.
	const script = `
		const { mkdirSync, writeFileSync } = require('node:fs');
		process.chdir(process.argv[1]);
		for (let level = 0; level < ${levels}; level++) {
			writeFileSync('file', '');
			mkdirSync('aside');
			writeFileSync('aside/file', '');
			mkdirSync('${name}');
			process.chdir('${name}');
		}`;
	execFileSync(process.execPath, ['-e', script, top]);
	const change = `
		import('daxkind').then(({ setDaxFlag }) => {
			const { failures, ...rest } = setDaxFlag(process.argv[1], true, { recursive: true });
			console.log(JSON.stringify({ ...rest, failures: failures.length }));
		});`;
	const limited = 'ulimit -n 96 && exec "$0" "$@"';
	const output = execFileSync('bash', ['-c', limited, process.execPath, '-e', change, top], { encoding: 'utf8' });
	const [files, directories] = [2 * levels, 2 * levels + 1];
	expect(JSON.parse(output)).toMatchObject({ files, directories, changed: files + directories, failures: 0 });
	expect(setDaxFlag(top, true, recursive)).toMatchObject({ files, directories, changed: 0, failures: [] });
});

function manyFiles(directory: string, count: number): void {
	for (let n = 0; n < count; n++) writeFileSync(join(directory, `file-${n}`), '');
}

test('a tree that is being changed says how far it is', async ({ skip }) => {
	const top = directoryWithFlag(skip);
	manyFiles(top, 1000);
	const reports: DaxFlagProgress[] = [];
	await setDaxFlagAsync(top, true, { ...recursive, onProgress: (progress) => reports.push(progress) });
	expect(reports.at(-1)).toEqual({ files: 1000, directories: 1, changed: 1001, failed: 0 });
	for (const { files } of reports) expect(files).toBeLessThanOrEqual(1000);
});

test('an abort ends the walk with its reason, and what was changed stays so', async ({ skip }) => {
	const top = directoryWithFlag(skip);
	manyFiles(top, 3000);
	const controller = new AbortController();
	const reason = new Error('enough');
	const change = setDaxFlagAsync(top, true, { ...recursive, signal: controller.signal });
	controller.abort(reason);
	await expect(change).rejects.toBe(reason);
	expect(flagged(top).length).toBeLessThan(3001);
	expect(setDaxFlag(top, true, recursive)).toMatchObject({ files: 3000, failures: [] });
});

test('an error that onProgress throws ends the walk', async ({ skip }) => {
	const top = directoryWithFlag(skip);
	const error = new Error('cannot show it');
	const onProgress = () => {
		throw error;
	};
	await expect(setDaxFlagAsync(top, true, { ...recursive, onProgress })).rejects.toBe(error);
});

test('files that come, go and move during the walk are no failures', async ({ skip }) => {
	const top = directoryWithFlag(skip);
	for (let n = 0; n < 20; n++) mkdirSync(join(top, `d${n}/e/f`), { recursive: true });
	const thread = await Thread.start();
	thread.start((_, top) => {
		const { renameSync, rmSync, writeFileSync } = process.getBuiltinModule('node:fs');
		for (let n = 0; ; n = (n + 1) % 20) {
			renameSync(`${top}/d${n}/e`, `${top}/moved`);
			writeFileSync(`${top}/moved/f/file`, '');
			rmSync(`${top}/moved/f/file`);
			renameSync(`${top}/moved`, `${top}/d${n}/e`);
		}
	}, top);
	for (let round = 0; round < 500; round++) {
		expect(setDaxFlag(top, round % 2 === 0, recursive).failures).toEqual([]);
	}
	await thread.terminate();
	if (readdirSync(top).includes('moved')) renameSync(join(top, 'moved'), join(top, 'back'));
});
