// Anybody may choose the name of a file. When a command prints a name, it does nothing to the terminal, and no line
// begins with it.
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type DaxMount, explain } from 'daxkind/dax';
import { describe, expect, test } from 'vitest';
import { formatMounts } from '#lib/cli/mounts.js';
import { toJson } from '#lib/cli/output.js';
import { shown } from '#lib/format.js';
import { spawnSync } from '../helpers/children.ts';
import { cli, daxkind, daxkindWith } from '../helpers/cli.ts';
import { temporaryDirectory, tmpfs } from '../helpers/temporary-directory.ts';

// In this order: a title and a colour, a C1 control, DEL, a line break, marks that turn the direction of writing, a
// line separator.
const hostile = '\u001b]0;title\u0007\u001b[31m\u009b1m\u007f\nline\u202e\u2066\u200f\u061c\u2028';
const escaped = String.raw`\x1b]0;title\x07\x1b[31m\u009b1m\x7f\x0aline\u202e\u2066\u200f\u061c\u2028`;

/** Makes a directory of that name with a file in it, and returns the name of another file that is missing. */
function hostilePlace() {
	const directory = join(temporaryDirectory(tmpfs), hostile);
	mkdirSync(directory);
	writeFileSync(join(directory, 'file'), '');
	return { directory, missing: join(directory, 'missing') };
}

/** Every character that is neither text nor the end of a line. */
const harmful = /(?!\n)[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u;

test('a name is shown with escapes for all that a terminal or a reader would obey, and letters of every script as they are', () => {
	expect(shown(hostile)).toBe(escaped);
	const names = 'Größe 大きさ حجم גודל 👩‍🚀 a\\b';
	expect(shown(names)).toBe(names);
});

test.each([[['explain']], [['inspect']], [['statx']], [['chattr', '+x']], [['chattr', '-R', '+x']]])(
	'%j prints a hostile name escaped, in its results and its errors',
	(command) => {
		const { directory, missing } = hostilePlace();
		for (const path of [directory, missing]) {
			const { stdout, stderr } = daxkind(...command, path);
			expect(stdout + stderr).toContain('title');
			expect(stdout + stderr).not.toMatch(harmful);
			expect(stderr.split('\n').length).toBeLessThanOrEqual(2);
		}
	},
);

test('lsattr: not its errors', () => {
	expect(daxkind('lsattr', hostilePlace().missing).stderr).toMatch(/^daxkind lsattr: ENOENT: .*\\x1b.*\n$/);
});

test.each([
	[[hostile], `daxkind: unknown command '${escaped}'\n  (daxkind --help says more)\n`],
	[
		['explain', `--${hostile}`],
		`daxkind explain: unknown option '--${escaped}'\n  (daxkind explain --help says more)\n`,
	],
	[['explan'], "daxkind: unknown command 'explan'\n  (Did you mean explain?)\n  (daxkind --help says more)\n"],
	[
		['chattr', hostile],
		`: the first argument must be +x or -x, not '${escaped}'\n  (daxkind chattr --help says more)\n`,
	],
	[
		['vm', '--fs', hostile, '--', 'true'],
		`argument '${escaped}' is invalid. It must be one of 'ext4', 'xfs', 'ext2', 'erofs', 'none'.\n  (daxkind vm --help says more)\n`,
	],
	[
		['vm', '--accel', hostile, '--', 'true'],
		`argument '${escaped}' is invalid. Allowed choices are auto, kvm, tcg.\n  (daxkind vm --help says more)\n`,
	],
])('what was typed comes back with escapes (%#)', (args, end) => {
	const { stderr } = daxkind(...args);
	expect(stderr.endsWith(end)).toBe(true);
	expect(stderr).not.toMatch(harmful);
});

describe.skipIf(process.arch !== 'x64')('daxkind vm', () => {
	test.each([
		['--kernel', `/missing/${hostile}`, `daxkind vm: ENOENT: no such kernel, open '/missing/${escaped}'\n`],
		['--virtiofs', `/${hostile}`, `daxkind vm: --virtiofs must be a directory. Received '/${escaped}'\n`],
	])('%s: escapes its value', (option, value, message) => {
		expect(daxkind('vm', option, value, '--', 'true').stderr.endsWith(message)).toBe(true);
	});

	test('a message that may have several lines lets nobody else begin one', () => {
		const { directory } = hostilePlace();
		const { stderr } = daxkindWith({ cwd: directory }, 'vm', '--', 'true');
		const [first, second] = escaped.split('\\x0a');
		const place = directory.slice(0, -hostile.length);
		expect(stderr).toBe(
			`daxkind vm: the guest has its own ${place}${first}\n  ${second}; start in another directory\n`,
		);
	});
});

test('mounts: neither in the table nor in the reasons', () => {
	const mount = {
		mountPoint: hostile,
		fsType: 'xfs',
		source: hostile,
		effectiveMode: 'never',
	} as unknown as DaxMount;
	const why = (path: string) => ({ path, dax: false, reason: hostile, checks: [] });
	const text = formatMounts([mount], why, true);
	expect(text.split(escaped)).toHaveLength(5);
	expect(text.replaceAll('\u001b[31mNo mount', 'No mount')).not.toMatch(harmful);
});

test('JSON has them as escapes of its own, so that it is the same value and harmless, too', () => {
	const text = toJson({ path: hostile, list: [hostile] });
	expect(JSON.parse(text)).toEqual({ path: hostile, list: [hostile] });
	expect(text.replaceAll('\t', '')).not.toMatch(harmful);
	const { directory } = hostilePlace();
	expect(JSON.parse(daxkind('explain', '--json', directory).stdout)).toEqual(JSON.parse(toJson(explain(directory))));
});

describe('lsattr -R of names that are not UTF-8', () => {
	/** Makes a directory with such a name. A file with such a name is in it, between others. */
	function place() {
		const directory = temporaryDirectory(tmpfs);
		for (const name of ['a', 'z']) mkdirSync(join(directory, name));
		const odd = Buffer.from(`${directory}/m\xff`, 'latin1');
		mkdirSync(odd);
		writeFileSync(Buffer.concat([odd, Buffer.from('/\xfe', 'latin1')]), '');
		return { directory, odd };
	}

	/** Turns bytes into latin1, so that they can be compared. */
	const bytes = (args: readonly (string | Buffer)[]) => {
		// Node takes arguments only as text, so printf makes the bytes.
		const words = args.map(
			(arg) =>
				`"$(printf '${Buffer.from(arg as Buffer).reduce((all, byte) => `${all}\\${byte.toString(8).padStart(3, '0')}`, '')}')"`,
		);
		const command = `exec '${process.execPath}' '${cli}' lsattr ${words.join(' ')}`;
		const { status, stdout, stderr } = spawnSync('sh', ['-c', command], { encoding: 'latin1' });
		return {
			status,
			stderr,
			paths: stdout
				.split('\n')
				.flatMap((line) => line.split(/ +/).slice(1, 2))
				.sort(),
		};
	};

	test('lists all of them and what is below, byte for byte', () => {
		const { directory } = place();
		const expected = ['', '/a', '/m\xff', '/m\xff/\xfe', '/z'].map((name) => directory + name);
		expect(bytes(['-R', directory])).toEqual({ status: 0, stderr: '', paths: expected });
	});

	test('takes such a name as its argument, too', () => {
		const { directory, odd } = place();
		const paths = ['/m\xff', '/m\xff/\xfe'].map((name) => directory + name);
		expect(bytes(['-R', odd])).toEqual({ status: 0, stderr: '', paths });
		const { status, stderr } = bytes([Buffer.from('/missing\xff', 'latin1')]);
		expect({ status, stderr }).toEqual({
			status: 1,
			stderr: "daxkind lsattr: ENOENT: no such file or directory, open '/missing\\xff'\n",
		});
	});

	test('JSON tells them apart', () => {
		const { directory } = place();
		const records: { path: string }[] = JSON.parse(daxkind('lsattr', '-R', '--json', directory).stdout);
		expect(records.map(({ path }) => path)).toContain(`${directory}/m\\xff/\\xfe`);
	});
});

const nobody = { uid: 65_534, gid: 65_534 };
/**
 * Whether the tests can run the program as a user who may not read everything. It takes root, and a Node and a program
 * that this user can reach.
 */
const hasNobody = process.getuid?.() === 0 && spawnSync(process.execPath, [cli, '--version'], nobody).status === 0;

test.skipIf(!hasNobody)('lsattr -R goes on after entries that cannot be looked at, and says each', () => {
	const directory = temporaryDirectory(tmpfs);
	chmodSync(directory, 0o755);
	const closed = join(directory, 'closed');
	for (const name of ['closed/a', 'closed/b', 'closed/c', 'last'])
		mkdirSync(join(directory, name), { recursive: true });
	// The names in it can be read, but nothing else about them.
	chmodSync(closed, 0o744);
	const args = ['lsattr', '-R', closed, join(directory, 'last'), join(closed, 'a'), join(directory, 'last')];
	const { status, stdout, stderr } = daxkindWith(nobody, ...args);
	expect(stderr.match(/^daxkind lsattr: EACCES: .*$/gm)).toHaveLength(4);
	expect(stdout.match(/ \/\S+/g)).toEqual(
		[closed, join(directory, 'last'), join(directory, 'last')].map((path) => ` ${path}`),
	);
	expect(status).toBe(1);
});
