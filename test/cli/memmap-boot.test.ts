// `daxkind memmap apply` and `undo` on images of machines: what a person and a program read, the exit statuses, and
// what is written.
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { outcomeOf, spawnSync } from '../helpers/children.ts';
import { cli, daxkindWith } from '../helpers/cli.ts';
import { contents, debian, fedora, machine } from '../helpers/machines.ts';
import { log, smallMachine } from '../helpers/memory-table.ts';

const dropIn = '/etc/default/grub.d/zz-daxkind-memmap.cfg';
const argument = 'memmap=4G!4G nokaslr';
const memoryLog = log(smallMachine);

function memmap(args: string[], input = '') {
	const outcome = daxkindWith({ input }, 'memmap', ...args);
	return { ...outcome, lines: outcome.stdout.split('\n') };
}

/** Calls a function that must not change the image, and checks that it did not. */
function unchanged<Result>(root: string, body: () => Result): Result {
	const before = contents(root);
	const result = body();
	expect(contents(root)).toEqual(before);
	return result;
}

describe('where GRUB reads drop-ins', () => {
	test('apply says what was written, and what remains in lines that can be copied; then that it is there; undo is byte for byte', () => {
		const root = machine(debian);
		const update = `    chroot ${root} update-grub`;
		const before = contents(root);
		const first = memmap(['apply', '--root', root, argument]);
		expect(first).toMatchObject({ status: 0, stderr: '' });
		expect(first.lines[0]).toBe(`Written: ${argument}`);
		expect(first.lines[1]).toMatch(/^ {2}Next(, as root)?:$/);
		expect(first.lines[2]).toBe(update);
		expect(first.stdout).toContain(`File  ${root}${dropIn}\n`);
		expect(first.stdout).toMatch(/GRUB_CMDLINE_LINUX="\$GRUB_CMDLINE_LINUX memmap=4G!4G nokaslr"\n {2}Boot .*\(BIOS\)/);
		expect(readFileSync(join(root, dropIn), 'utf8')).toContain(argument);
		// Several words mean the same as one quoted word.
		const second = unchanged(root, () => memmap(['apply', '--root', root, 'memmap=4G!4G', 'nokaslr']));
		expect(second).toMatchObject({ status: 0, stderr: '' });
		expect(second.lines.slice(0, 3)).toEqual([`There already: ${argument}`, first.lines[1], update]);
		const undone = memmap(['undo', '--root', root]);
		expect(undone).toMatchObject({ status: 0, stderr: '' });
		expect(undone.lines.slice(0, 3)).toEqual([`Removed: ${argument}`, first.lines[1], update]);
		expect(contents(root)).toEqual(before);
		expect(unchanged(root, () => memmap(['undo', '--root', root]))).toMatchObject({
			...{ status: 0, stderr: '', stdout: expect.stringMatching(/^Nothing to undo: daxkind has no file here\n/) },
		});
	});

	test('a dry run changes nothing, and says the command that does it', () => {
		const root = machine(debian);
		const apply = unchanged(root, () => memmap(['apply', '--dry-run', '--root', root, argument]));
		expect(apply).toMatchObject({ status: 0, stderr: '' });
		expect([apply.lines[0], ...apply.lines.slice(2, 4)]).toEqual([
			`Would be written: ${argument}`,
			`    daxkind memmap apply --root ${root} '${argument}'`,
			`    chroot ${root} update-grub`,
		]);
		memmap(['apply', '--root', root, argument]);
		const undo = unchanged(root, () => memmap(['undo', '--dry-run', '--root', root]));
		expect(undo.status).toBe(0);
		expect([undo.lines[0], undo.lines[2]]).toEqual([
			`Would be removed: ${argument}`,
			`    daxkind memmap undo --root ${root}`,
		]);
	});

	test('what it takes the place of, and what others have, is said', () => {
		const root = machine(debian, { '/etc/default/grub': 'GRUB_CMDLINE_LINUX="memmap=64M$1G"' });
		memmap(['apply', '--root', root, argument]);
		const { stdout } = memmap(['apply', '--root', root, 'memmap=1G!8G']);
		expect(stdout).toMatch(/^Written: memmap=1G!8G\n/);
		expect(stdout).toMatch(/^ {2}Instead of +memmap=4G!4G nokaslr$/m);
		expect(stdout.replaceAll(/\s+/g, ' ')).toContain(` By others memmap=64M$1G, in ${root}/etc/default/grub `);
		memmap(['undo', '--root', root]);
		const undone = memmap(['undo', '--root', root]);
		expect(undone).toMatchObject({
			status: 0,
			stdout: expect.stringContaining('but other files have such arguments\n'),
		});
		expect(undone.stdout).toMatch(/^ {2}To remove those(, as root)?:\n {4}take memmap=64M\$1G out of /m);
	});

	test('in force means that nothing remains', () => {
		const root = machine(debian, { '/proc/cmdline': `ro ${argument}` });
		memmap(['apply', '--root', root, argument]);
		const { status, lines } = memmap(['apply', '--root', root, argument]);
		expect([status, lines[0], lines[1]]).toEqual([0, `There already, and in force: ${argument}`, '']);
	});

	test('undo while the running kernel has the argument prints how the next boot loses it', () => {
		const root = machine(debian, { '/proc/cmdline': `ro ${argument}` });
		const { status, lines } = memmap(['undo', '--root', root]);
		expect(status).toBe(0);
		expect(lines[0]).toBe('Nothing to undo: daxkind has no file here, but the running kernel has its argument');
		expect(lines.slice(2, 4)).toEqual([`    chroot ${root} update-grub`, '    reboot']);
	});

	test('as JSON: what the library says, the argument and the plan', () => {
		const root = machine(debian);
		const boot = { loader: 'grub', configuration: 'grub-drop-in', firmware: 'bios' };
		const written = { changed: true, dryRun: false, path: dropIn, removed: [], missing: [], elsewhere: [], unread: [] };
		const { status, stdout } = memmap(['apply', '--json', '--root', root, argument]);
		expect(status).toBe(0);
		const next = [`chroot ${root} update-grub`];
		expect(JSON.parse(stdout)).toMatchObject({ ...written, argument, plan: null, boot, next });
		// `--json` may also come before the subcommand.
		expect(JSON.parse(memmap(['--json', 'undo', '--root', root]).stdout)).toMatchObject({
			...written,
			text: null,
			removed: ['memmap=4G!4G', 'nokaslr'],
			next,
		});
	});

	test('what is not as it was written is left alone: status 1, and what fixes it', () => {
		const root = machine(debian, { [dropIn]: 'GRUB_CMDLINE_LINUX="quiet"' });
		for (const args of [['apply', argument], ['undo']]) {
			const { status, stdout, stderr } = unchanged(root, () => memmap([...args, '--root', root]));
			expect([status, stdout]).toEqual([1, '']);
			const expected = `daxkind memmap ${args[0]}: ${dropIn} is not as daxkind wrote it.\n  Fix: look at it, and move it away: mv ${root}${dropIn} ${root}${dropIn}.old\n`;
			expect(stderr).toBe(expected);
		}
	});

	test.skipIf(process.getuid!() !== 0)('without permission: status 1, and what fixes it', () => {
		const root = machine(debian);
		chmodSync(root, 0o755);
		const program = 'process.setuid(65534); await import(process.argv[1]);';
		const args = ['--input-type=module', '-e', program, cli, 'memmap', 'apply', '--root', root, argument];
		const run = (more: string[]) => outcomeOf(process.execPath, [...args, ...more]);
		expect(unchanged(root, () => run([]))).toMatchObject({
			...{ status: 1, stdout: '' },
			stderr: `daxkind memmap apply: EACCES: permission denied, access '/etc/default/grub.d'.\n  Fix: run as root\n`,
		});
		chmodSync(join(root, '/etc/default/grub'), 0o600);
		const { stdout } = run(['--dry-run']);
		expect(stdout).toMatch(/^Would be written: .*\n {2}Next, as root:\n {4}daxkind memmap apply /);
		expect(stdout).toMatch(/^ {2}Not readable {2}/m);
		expect(stdout.replaceAll(/\s+/g, ' ')).toContain(`${root}/etc/default/grub: there may be more`);
	});
});

test('where a command does it, nothing is written: status 1, and the command', () => {
	const root = machine(fedora);
	const args = ['apply', '--root', root, argument];
	const { status, stderr, lines } = unchanged(root, () => memmap(args));
	expect([status, stderr]).toEqual([1, '']);
	expect(lines[0]).toBe(`Nothing to write here: run the command below to add ${argument}`);
	expect(lines[2]).toBe(`    chroot ${root} grubby --update-kernel=ALL --args='${argument}'`);
	const missing = argument.split(' ');
	expect(JSON.parse(memmap([...args, '--json']).stdout)).toMatchObject({ changed: false, path: null, missing });
});

test('where no boot loader is known, the error has what the kernel is to be given', () => {
	const { status, stderr } = memmap(['apply', '--root', machine({ '/etc/hostname': 'x' }), argument]);
	expect(status).toBe(1);
	expect(stderr).toMatch(
		/^daxkind memmap apply: daxkind does not know how to configure the boot here: .*\n {2}Fix: .*memmap=4G!4G nokaslr\n$/,
	);
});

describe('with the options of a plan', () => {
	test('it plans with a log, and writes what the plan recommends', () => {
		const root = machine(debian);
		const { status, stdout } = memmap(['apply', '--root', root, '--size', '4G', '--from', '-'], memoryLog);
		expect(status).toBe(0);
		expect(stdout).toMatch(/^Written: memmap=4G!4G nokaslr\n/);
		expect(stdout).toMatch(/^ {2}Planned with +the firmware’s table in the kernel’s log \(standard input\)$/m);
		const path = join(root, 'dmesg.txt');
		writeFileSync(path, memoryLog);
		const again = memmap(['apply', '--json', '--root', root, '--size', '4G', '--from', path]);
		expect(JSON.parse(again.stdout)).toMatchObject({
			changed: false,
			argument,
			plan: { possible: true, noKaslr: true },
		});
	});

	test('a second plan is written beside the first one, once that is in force; before that, in its place', () => {
		const root = machine(debian);
		const plan = (commandLine: string, size: string) => {
			const input = `Command line: root=/dev/sda1 ${commandLine}\n${memoryLog}`;
			const options = ['--root', root, '--from', '-', '--size', size, '--keep-free', '1G'];
			return memmap(['apply', ...options], input).lines[0];
		};
		expect(plan('quiet', '1G')).toBe('Written: memmap=1G!4G nokaslr');
		expect(plan('quiet', '2G')).toBe('Written: memmap=2G!4G nokaslr');
		expect(plan('memmap=2G!4G nokaslr', '1G')).toBe('Written: memmap=2G!4G memmap=1G!6G nokaslr');
		expect(plan('memmap=2G!4G memmap=1G!6G nokaslr', '1G')).toBe(
			'Written: memmap=2G!4G memmap=1G!6G memmap=1G!7G nokaslr',
		);
	});

	test('what the plan warns of is said', () => {
		const cut = memoryLog
			.split('\n')
			.filter((line) => !line.includes('0x0000000000'))
			.join('\n');
		const args = ['apply', '--dry-run', '--root', machine(debian), '--size', '2G', '--keep-free', '1G', '--from', '-'];
		expect(memmap(args, cut).stdout).toMatch(/^ {2}! The table is incomplete: /m);
	});

	test('a plan that is not possible: the same sentence as of plan, status 1, and nothing written', () => {
		const root = machine(debian);
		const wish = ['--size', '40G', '--from', '-'];
		const [first, second] = memmap(['plan', ...wish], memoryLog).lines;
		const { status, lines } = unchanged(root, () => memmap(['apply', '--root', root, ...wish], memoryLog));
		expect([status, lines[0], lines[1]]).toEqual([1, first, second]);
		const json = unchanged(root, () => memmap(['apply', '--json', '--root', root, ...wish], memoryLog));
		expect(json.status).toBe(1);
		expect(JSON.parse(json.stdout)).toMatchObject({ possible: false, argument: null, reason: expect.any(String) });
	});

	test('an image’s own table is used, and where it has none nobody else’s is: status 2', () => {
		const usable = (start: string, end: string) => ({ start, end, type: 'System RAM' });
		const rows = [usable('0x0', '0xbfffffff'), usable('0x100000000', '0x83fffffff')];
		const table = rows.flatMap((row, n) =>
			Object.entries(row).map(([name, value]) => [`/sys/firmware/memmap/${n}/${name}`, value] as const),
		);
		const root = machine(debian, Object.fromEntries(table));
		expect(memmap(['apply', '--root', root, '--size', '1G']).lines[0]).toBe('Written: memmap=1G!4G');
		const { '/sys/firmware/memmap/0/start': _, ...entries } = debian;
		const bare = machine(entries);
		const { status, stdout, stderr } = unchanged(bare, () => memmap(['apply', '--root', bare, '--size', '1G']));
		expect([status, stdout]).toEqual([2, '']);
		expect(stderr).toMatch(/^daxkind memmap apply: there is neither \/.*\n {2}Fix: .* --from dmesg.txt\n$/);
		expect(stderr).toContain(`neither ${bare}/sys/firmware/memmap nor ${bare}/proc/iomem, as in most images`);
	});

	const canMount = existsSync('/proc/iomem') && spawnSync('unshare', ['-m', 'true']).status === 0;

	test.skipIf(!canMount)('the table of this machine is not taken for that of an image in which it is mounted', () => {
		const root = machine(debian);
		mkdirSync(join(root, 'proc'));
		const script =
			'mount --bind /proc "$1/proc" && mount --bind /sys "$1/sys" && exec "$2" "$3" memmap apply --root "$1" --size 1G';
		const args = ['-m', 'sh', '-c', script, 'sh', root, process.execPath, cli];
		const { status, stdout, stderr } = unchanged(root, () => outcomeOf('unshare', args));
		expect([status, stdout]).toEqual([2, '']);
		expect(stderr).toMatch(/^daxkind memmap apply: (--root must be given with --from|all addresses|there is neither)/);
	});
});

test.each([
	['neither', [], /^daxkind memmap \w+: give the argument that 'daxkind memmap plan' prints, or --size/],
	['a table alone', ['--from', '/no/such'], /^daxkind memmap \w+: give the argument/],
	[
		'both',
		['--size', '4G', argument],
		/^daxkind memmap \w+: give either an argument or the options of a plan, not both\n {2}\(daxkind memmap apply --help says more\)\n$/,
	],
	['an argument and a table', ['--from', '/no/such', argument], /^daxkind memmap \w+: give either/],
	[
		'another argument',
		['quiet'],
		/^daxkind memmap apply: the argument must be memmap=SIZE!START .* Received 'quiet'\n$/,
	],
	['what a shell left of an argument', ['memmap=4G'], /the argument must be memmap=SIZE!START/],
	['an empty argument', [''], /the argument must be memmap=SIZE!START/],
	['an empty root', ['--root', '', argument], /^daxkind memmap apply: --root must be a directory/],
	['a size of 0', ['--size', '0'], /^daxkind memmap \w+: option '-s, --size <size>' argument '0' is invalid/],
	['a log that is not there', ['--size', '1G', '--from', '/no/such'], /^daxkind memmap apply: ENOENT: .*\/no\/such/],
])('apply with %s is wrong usage: status 2', (_, args, said) => {
	const { status, stdout, stderr } = memmap(['apply', ...args]);
	expect(stderr).toMatch(said);
	expect([status, stdout]).toEqual([2, '']);
});

test('undo with a table is wrong usage, and an image that is not there something in the way', () => {
	expect(memmap(['--from', 'x', 'undo'])).toMatchObject({ status: 2, stdout: '' });
	for (const args of [['undo'], ['apply', argument]]) {
		expect(memmap([...args, '--root', '/no/such'])).toMatchObject({
			...{ status: 1, stdout: '', stderr: expect.stringContaining('ENOENT') },
		});
	}
});

test.each(['apply', 'undo'])('%s --help has an example and the exit status, in 80 columns', (command) => {
	const { status, stdout, lines } = memmap([command, '--help']);
	expect(status).toBe(0);
	expect(stdout).toMatch(/Exit status: 0 [\s\S]*Examples:\n {2}daxkind memmap /);
	for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
});
