// The command line as a person meets it: what it says of wrong options, its exit status, and what happens when the
// reader of its output goes away.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { groups } from '#lib/cli/commands.js';
import { outcomeOf, spawn } from '../helpers/children.ts';
import { cli, daxkind } from '../helpers/cli.ts';

test.each([
	[['vm', '--fs', 'ext9', '--', 'true'], "argument 'ext9' is invalid. It must be one of 'ext4', 'xfs', "],
	[
		['vm', '--pmem', 'much', '--', 'true'],
		"'--pmem <size>' argument 'much' is invalid. It must be a size in whole bytes",
	],
])('daxkind %j is wrong usage: status 2, and the flag by its name', (args, message) => {
	const { status, stdout, stderr } = daxkind(...args);
	expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
	expect(stderr).toContain(message);
	const { length } = stderr.split('\n');
	expect(stderr.startsWith(`daxkind ${args[0]}: `), stderr).toBe(true);
	expect(length).toBeLessThanOrEqual(3);
});

describe.skipIf(process.arch !== 'x64')('what only all options together show', () => {
	test.each([
		[['--erofs-source', '/missing'], "daxkind vm: --erofs-source must be a directory. Received '/missing'\n"],
		[['--virtiofs', '/missing'], "daxkind vm: --virtiofs must be a directory. Received '/missing'\n"],
		[
			['--virtio-pmem', '1M'],
			"daxkind vm: --virtio-pmem is out of range. It must be a multiple of 16M. Received '1M'\n",
		],
		[['--cpus', '1.5'], 'daxkind vm: --cpus is out of range. It must be an integer from 1 to 64. Received 1.5\n'],
		[['--fs', 'erofs', '--mount', 'dax=inode'], 'daxkind vm: --mount must be dax=always or dax=never on erofs, '],
		[['--eadr'], 'daxkind vm: --eadr must be given together with nvdimm or devdax. '],
		[['--append', 'memmap=1G!4G'], 'daxkind vm: --append must be without memmap= unless '],
		[['--no-pmem', '--mount', 'dax=inode'], 'daxkind vm: --mount must be left out where there are no pmem devices. '],
		[['--no-pmem', '--pmem', '1M'], 'daxkind vm: --pmem is out of range. It must be at least 16M. '],
		[['--nodes', '9'], 'daxkind vm: --nodes is out of range. It must be an integer from 1 to 8. Received 9\n'],
		[['--modules', '/'], 'daxkind vm: --modules must be given together with kernel. '],
	])('daxkind vm %j is wrong usage, too', (args, message) => {
		const { status, stderr } = daxkind('vm', ...args, '--', 'true');
		expect(status).toBe(2);
		expect(stderr).toContain(message);
	});
});

test.each([
	[['--help'], 0],
	[['vm', '--help'], 0],
])('daxkind %j ends quietly when nobody reads its output', async (args, status) => {
	const child = spawn(process.execPath, [cli, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
	child.stdout.destroy();
	let stderr = '';
	child.stderr.setEncoding('utf8').on('data', (text) => {
		stderr += text;
	});
	expect(await once(child, 'close')).toEqual([status, null]);
	expect(stderr).toBe('');
});

test.each(['explain', 'inspect', 'statx'])(
	'%s without the addon is trouble, said without a stack, and no answer',
	(command) => {
		const args = ['--no-addons', cli, command, '/'];
		const { status, stdout, stderr } = outcomeOf(process.execPath, args);
		expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
		expect(stderr).toMatch(/^daxkind: Cannot load daxkind's native addon\..*--no-addons/);
		expect(stderr).not.toContain('    at ');
	},
);

test('the main help names every command in groups, fits in 80 columns, and has examples', () => {
	const { status, stdout } = daxkind('--help');
	expect(status).toBe(0);
	for (const name of groups.flatMap(({ files }) => files.flatMap(({ summaries }) => Object.keys(summaries)))) {
		expect(stdout).toMatch(new RegExp(`^ {2}${name} +\\S`, 'm'));
	}
	for (const { heading } of groups) expect(stdout).toContain(`\n${heading}\n`);
	expect(stdout).toMatch(/^Examples:\n {2}daxkind explain /m);
	for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
});

test('each command that the main help names is there, and says what it is', async () => {
	for (const { files } of groups) {
		for (const { summaries, load } of files) {
			const program = new Command().enablePositionalOptions();
			(await load())(program);
			expect(program.commands.map((command) => command.name())).toEqual(Object.keys(summaries));
			for (const command of program.commands) expect(command.description()).not.toBe('');
		}
	}
});

test('version is a command, too, and help of a command is its own', () => {
	const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
	for (const word of ['version', '--version', '-V']) {
		expect(daxkind(word)).toEqual({ status: 0, stdout: `${version}\n`, stderr: '' });
	}
	expect(daxkind('help', 'mounts')).toEqual(daxkind('mounts', '--help'));
});

test('a command is not loaded for the help of all', () => {
	// An addon that cannot be loaded stands for anything that a command needs and does not find.
	const args = ['--no-addons', cli, '--help'];
	expect(outcomeOf(process.execPath, args)).toMatchObject({ status: 0, stderr: '' });
});
