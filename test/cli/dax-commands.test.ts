// The commands about DAX, off DAX: what they print, their exit statuses, and what is only for a terminal.
// test/guest/cli.test.ts runs them on DAX, beside the programs that they must agree with.
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type DaxMount, explain, findDaxMounts, inspect, statx } from 'daxkind/dax';
import { describe, expect, test } from 'vitest';
import { formatChange, formatTree } from '#lib/cli/chattr.js';
import { formatExplanation } from '#lib/cli/explain.js';
import { formatFlags } from '#lib/cli/lsattr.js';
import { formatMounts } from '#lib/cli/mounts.js';
import { toJson, wrapped } from '#lib/cli/output.js';
import { formatStatus } from '#lib/cli/statx.js';
import { inodeFlagsText, xflagWords } from '#lib/mask-words.js';
import { native } from '#lib/native.js';
import { outcomeOf } from '../helpers/children.ts';
import { cli, daxkind, hasScript, onTerminal } from '../helpers/cli.ts';
import { temporaryDirectory, tmpfs } from '../helpers/temporary-directory.ts';

/** What a command writes to a terminal, on standard output and standard error. */
function daxkindOnTerminal(...args: string[]): string {
	const command = [process.execPath, cli, ...args].map((word) => `'${word}'`).join(' ');
	return onTerminal(command, { NO_COLOR: undefined, FORCE_COLOR: undefined, CI: undefined });
}

test('explain answers in its first line, then the remedy, then each link with what was read; status 1 off DAX', () => {
	const directory = temporaryDirectory(tmpfs);
	const { status, stdout, stderr } = daxkind('explain', directory);
	expect({ status, stderr }).toEqual({ status: 1, stderr: '' });
	const text = stdout.replace(/\n +/g, ' ');
	expect(text).toMatch(/^\S+ is not on DAX: the file system is tmpfs, which has no DAX\nFix: {2}use a directory/);
	expect(text).toContain('✓ path');
	expect(text).toMatch(/✗ file system {2,}the file system is tmpfs.* tmpfs {2}\(\/proc\/self\/mountinfo, mount \d+\)/);
	for (const line of stdout.split('\n').slice(1)) expect(line.length).toBeLessThanOrEqual(80);
});

test.each([
	['explain', (path: string) => explain(path)],
	['inspect', (path: string) => inspect(path)],
	['statx', (path: string) => statx(path)],
] as const)('%s --json is what the library says, and nothing else', (command, call) => {
	const file = join(temporaryDirectory(), 'file');
	writeFileSync(file, 'x');
	const { status, stdout, stderr } = daxkind(command, '--json', file);
	expect({ status, stderr }).toEqual({ status: 1, stderr: '' });
	expect(JSON.parse(stdout)).toEqual(JSON.parse(toJson(call(file))));
});

test('in JSON masks are hexadecimal, other long numbers decimal, and what is not known is null', () => {
	expect(JSON.parse(toJson({ attributes: 0x200000n, inode: 12n, dax: undefined, list: [undefined] }))).toEqual({
		attributes: '0x200000',
		inode: '12',
		dax: null,
		list: [null],
	});
});

test.each(['explain', 'inspect', 'statx'])('%s of a missing path is trouble, not an answer: status 2', (command) => {
	const message = `daxkind ${command}: ENOENT: no such file or directory, statx '/missing'\n`;
	expect(daxkind(command, '/missing')).toEqual({ status: 2, stdout: '', stderr: message });
});

test.each([
	[['explain'], "missing required argument 'path'"],
	[['explain', '/', '/'], 'too many arguments'],
	[['statx', '--nonsense', '/'], "unknown option '--nonsense'"],
	[['lsattr'], "missing required argument 'path'"],
	[['chattr', '/tmp'], "the first argument must be +x or -x, not '/tmp'"],
	[['chattr', '+x', '-x', '/tmp'], 'give either +x or -x, not both'],
	[['chattr', '+x'], "missing required argument 'path'"],
	[['chattr', '+i', '/tmp'], "the first argument must be +x or -x, not '+i'"],
	[['mounts', 'surplus'], 'too many arguments'],
])('daxkind %j is wrong usage: status 2', (args, message) => {
	const { status, stdout, stderr } = daxkind(...args);
	expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
	expect(stderr.startsWith(`daxkind ${args[0]}: ${message}`), stderr).toBe(true);
	expect(stderr.endsWith(`\n  (daxkind ${args[0]} --help says more)\n`), stderr).toBe(true);
});

test.each(['explain', 'inspect', 'statx', 'lsattr', 'chattr', 'mounts'])(
	'%s --help has examples and the exit status',
	(command) => {
		const { status, stdout } = daxkind(command, '--help');
		expect(status).toBe(0);
		expect(stdout).toMatch(/Exit status: 0 if/);
		expect(stdout).toMatch(/Examples?:/);
		expect(stdout).toContain(`daxkind ${command} `);
		for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
	},
);

test('output that cannot be written is said in one line', () => {
	const { status, stderr } = outcomeOf('sh', ['-c', `'${process.execPath}' '${cli}' --help >/dev/full`]);
	expect({ status, stderr }).toEqual({ status: 1, stderr: 'daxkind: ENOSPC: no space left on device, write\n' });
});

test('lsattr and chattr report what cannot be read or changed, and go on: status 1', () => {
	const directory = temporaryDirectory(tmpfs);
	const list = daxkind('lsattr', join(directory, 'missing'), '/dev/null', directory);
	expect(list.status).toBe(1);
	expect(list.stderr.split('\n')).toHaveLength(3);
	expect(list.stderr).toMatch(/^daxkind lsattr: ENOENT.*\ndaxkind lsattr: ENOTTY/);
	expect(list.stdout).toBe(`-              ${directory}\n`);
	const change = daxkind('chattr', '+x', directory);
	expect(change).toEqual({
		status: 1,
		stdout: '',
		stderr: `daxkind chattr: ENOTSUP: this file system has no per-file DAX flag; ext4 and XFS have one, ioctl '${directory}'\n`,
	});
});

test('lsattr -R lists what is in a directory before it, and follows no links', () => {
	const directory = temporaryDirectory();
	mkdirSync(join(directory, 'a/b'), { recursive: true });
	writeFileSync(join(directory, 'a/b/file'), '');
	symlinkSync('/', join(directory, 'link'));
	const paths = daxkind('lsattr', '-R', directory).stdout.match(/\/\S+/g);
	expect(paths).toEqual(['a/b/file', 'a/b', 'a', ''].map((name) => join(directory, name)));
	const records = JSON.parse(daxkind('lsattr', '-R', '--json', directory).stdout);
	expect(records.map(({ path }: { path: string }) => path)).toEqual(paths);
	expect(records[0]).toMatchObject({
		xflags: expect.any(Number),
		flags: expect.any(Array),
		projectId: expect.any(Number),
	});
});

test('flags have the words of xfs_io, in its order, and lsattr has them in one column', () => {
	const { constants } = native;
	expect(xflagWords(0, constants)).toEqual([]);
	expect(xflagWords(constants.FS_XFLAG_DAX, constants)).toEqual(['dax']);
	expect(xflagWords(0xffffffff, constants).join(' ')).toBe(
		'realtime prealloc immutable append-only sync no-atime no-dump rt-inherit proj-inherit nosymlinks extsize extsz-inherit no-defrag filestream dax cowextsize has-xattr',
	);
	const both = constants.FS_XFLAG_DAX | constants.FS_XFLAG_NODUMP;
	expect(formatFlags('/f', both, constants)).toBe('no-dump,dax    /f\n');
	expect(formatFlags('/f', 0, constants)).toBe('-              /f\n');
});

test('a mask is shown with the words for its bits, and what has no word as a number', () => {
	const { constants } = native;
	expect(inodeFlagsText(constants.FS_EXTENT_FL, constants)).toBe('0x80000 (extents)');
	expect(inodeFlagsText(constants.FS_EXTENT_FL | 1, constants)).toBe('0x80001 (extents, 0x1)');
	expect(inodeFlagsText(0, constants)).toBe('0x0 (none)');
});

test('statx shows each thing once, by its name', () => {
	const { constants } = native;
	const status = { ...statx('/dev/null'), birthTimeNs: 0n, attributes: constants.STATX_ATTR_DAX };
	const rows = formatStatus(status, constants)
		.trimEnd()
		.split('\n')
		.map((line) => line.trim().split(/ {2,}/));
	const shown = new Map(rows.map(([name, value]) => [name, value]));
	expect(shown.size).toBe(rows.length);
	expect(shown.get('mode')).toMatch(/^020666 \(crw-rw-rw-\)$/);
	expect(shown.get('represents device')).toBe('1:3');
	expect(shown.get('inode')).toBe(`${status.inode}`);
	expect(shown.get('attributes')).toBe('0x200000 (dax)');
	expect(shown.has('made')).toBe(false);
});

test('times before 1970 have nanoseconds that count up, as in the kernel', () => {
	const status = { ...statx('/'), modifyTimeNs: -1n, accessTimeNs: 1_700_000_000_000_000_001n };
	const text = formatStatus(status, native.constants);
	expect(text).toMatch(/ modified +1969-12-31T23:59:59\.999999999Z\n/);
	expect(text).toMatch(/ accessed +2023-11-14T22:13:20\.000000001Z\n/);
});

test('explain -q says nothing: its status is the answer', () => {
	expect(daxkind('explain', '-q', temporaryDirectory(tmpfs))).toEqual({ status: 1, stdout: '', stderr: '' });
	const missing = daxkind('explain', '--quiet', '/missing');
	expect({ status: missing.status, stdout: missing.stdout }).toEqual({ status: 2, stdout: '' });
	expect(missing.stderr).toMatch(/^daxkind explain: ENOENT: /);
	expect(daxkind('explain', '-q', '--json', '/').status).toBe(2);
});

test('in JSON a level is two blanks', () => {
	expect(daxkind('explain', '--json', '/').stdout).toMatch(
		/^\{\n {2}"path": "\/",\n.*\n {4}\{\n {6}"link": "path",\n/s,
	);
});

test('chattr says what became of a flag', () => {
	const explained = () => ({ path: '/f', dax: false, reason: '/mnt is mounted with dax=never', checks: [] });
	expect(
		formatChange('/f', { flag: true, effective: true, pending: false, directories: 0, changed: 1 }, explained),
	).toBe('/f: DAX flag set, and in effect');
	expect(
		formatChange('/f', { flag: false, effective: true, pending: true, directories: 0, changed: 1 }, explained),
	).toMatch(/cleared; pending: .*nobody has/);
	expect(
		formatChange('/f', { flag: true, effective: false, pending: false, directories: 0, changed: 1 }, explained),
	).toBe('/f: DAX flag set, but it does not decide here: /mnt is mounted with dax=never');
	const inDirectory = { flag: true, effective: true, pending: false, directories: 1, changed: 1 };
	expect(formatChange('/d', inDirectory, explained)).toBe('/d: DAX flag set, and in effect for new files in it');
	expect(formatChange('/d', { ...inDirectory, effective: undefined }, explained)).toBe(
		'/d: DAX flag set; it is not known whether it is in effect',
	);
	const before = { effective: false, pending: false, directories: 0, changed: 0 };
	expect(formatChange('/f', { ...before, flag: false }, explained)).toBe('/f: DAX flag already clear, and in effect');
	expect(formatChange('/f', { ...before, flag: true, effective: true }, explained)).toBe(
		'/f: DAX flag already set, and in effect',
	);
	const tree = { flag: true, effective: true, pending: false, files: 1, directories: 2000, changed: 12, failures: [] };
	expect(formatTree('/d', true, tree)).toBe('/d: DAX flag set in 1 file and 2,000 directories: 12 changed');
});

test('mounts says how many there are, in columns', () => {
	const mount = {
		mountPoint: '/mnt/p',
		fsType: 'xfs',
		device: 'pmem0',
		source: '/dev/pmem0',
		daxOption: undefined,
		effectiveMode: 'inode',
	};
	const text = formatMounts([{ ...mount, newFiles: false } as unknown as DaxMount], explain, false);
	expect(text).toBe(`1 mount has DAX

MOUNT POINT  TYPE  DEVICE  SHOWN  MODE   NEW FILES ON DAX
/mnt/p       xfs   pmem0   -      inode  no
`);
	const why = (path: string) => ({ path, dax: false, reason: `${'long '.repeat(20)}reason`, checks: [] });
	const withReasons = formatMounts([{ ...mount, newFiles: false } as unknown as DaxMount], why, true);
	expect(withReasons.startsWith(text)).toBe(true);
	expect(withReasons.slice(text.length)).toMatch(
		/^\nWhy new files are not on DAX:\n {2}\/mnt\/p {2}(long ){13}long\n {10}long /,
	);
	const unknown = { ...mount, mode: 'inode', effectiveMode: undefined, newFiles: false } as unknown as DaxMount;
	const finding = 'sysfs does not say whether the device /dev/pmem0 can do DAX';
	const unread = { link: 'device' as const, verdict: 'unknown' as const, finding, evidence: [] };
	const explained = (path: string) => ({ path, dax: false, reason: 'no flag', checks: [unread] });
	expect(formatMounts([unknown], explained, false)).toMatch(
		/^It is not known whether a mount has DAX\n\n.*\n.* not known +no\n\nWhy it is not known:\n {2}\/mnt\/p {2}sysfs does not say whether the device/s,
	);
	expect(formatMounts([unknown, { ...unknown, effectiveMode: 'always' } as DaxMount], explained, false)).toMatch(
		/^1 mount has DAX\n/,
	);
	const here = findDaxMounts().length > 0;
	const { status, stdout } = daxkind('mounts');
	expect(status).toBe(here ? 0 : 1);
	if (!here) expect(stdout).toBe('No mount has DAX\n(daxkind mounts --all says why)\n');
	const none = daxkind('mounts', '--all').stdout;
	if (!here) expect(none).toMatch(/^No mount has DAX\n\n/);
	expect(JSON.parse(daxkind('mounts', '--all', '--json').stdout)).toEqual(
		JSON.parse(toJson(findDaxMounts({ all: true }))),
	);
});

test('text is broken between words and goes on below itself', () => {
	expect(wrapped('aaa bbb ccc ddd eee fff ggg', 4, 24)).toBe('aaa bbb ccc ddd eee\n    fff ggg');
});

describe.skipIf(!hasScript)('colours', () => {
	test('are for a terminal', () => {
		expect(daxkindOnTerminal('explain', tmpfs)).toContain('\u001b[31m');
	});

	test('of a name do nothing to a terminal, and reach a program as they are', () => {
		const directory = temporaryDirectory();
		writeFileSync(join(directory, 'red\u001b[31m'), '');
		expect(daxkindOnTerminal('lsattr', '-R', directory)).toContain('red\\x1b[31m');
		expect(daxkind('lsattr', '-R', directory).stdout).toContain('red\u001b[31m');
	});

	test('stay away from pipes, and from a person who wants none', () => {
		expect(daxkind('explain', tmpfs).stdout).not.toContain('\u001b');
		process.env.NO_COLOR = '1';
		expect(formatExplanation(explain(tmpfs))).not.toContain('\u001b');
	});
});
