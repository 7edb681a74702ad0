// `daxkind badblocks` and `daxkind repair`: what they print, and their exit statuses. test/guest-memory/media.test.ts tests
// real bad blocks.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BadBlocks, MediaRepair } from 'daxkind/media';
import { expect, test } from 'vitest';
import { formatBadBlocks } from '#lib/cli/badblocks.js';
import { formatRepair } from '#lib/cli/repair.js';
import { systemError } from '#lib/errors.js';
import { daxkind } from '../helpers/cli.ts';
import { temporaryDirectory, tmpfs } from '../helpers/temporary-directory.ts';

const source = '/sys/devices/pmem0/badblocks';
const device: NonNullable<BadBlocks['device']> = {
	name: 'pmem0',
	path: '/dev/pmem0',
	type: 'block',
	major: 259,
	minor: 0,
	ranges: [
		{ offset: 1048576 + 512, length: 512, source, sourceOffset: 1048576 + 512 },
		{ offset: 8388608, length: 4096, source, sourceOffset: 8388608 },
	],
	sources: [source],
	doubts: [],
};
const part: BadBlocks['parts'][number] = {
	path: '/mnt/pmem/a b',
	type: 'file',
	offset: 4096,
	length: 4096,
	links: 1,
	size: 10000,
	device: 'pmem0',
	deviceOffset: 1048576,
	unwritten: false,
	shared: false,
};
const mount: BadBlocks = {
	path: '/mnt/pmem',
	type: 'mount',
	device,
	parts: [part],
	unowned: [{ offset: 8388608, length: 4096 }],
	files: 3,
	directories: 1,
	sources: [source],
	doubts: [],
	failures: [],
};

test('badblocks answers in its first line, then what fixes it, the files, what is in none, and what was read', () => {
	const lines = formatBadBlocks(mount).split('\n');
	expect(lines.slice(0, 2)).toEqual([
		'/mnt/pmem has bad blocks: 4.5 KiB in 2 ranges; 4 KiB of 1 file cannot be read',
		'Fix:  daxkind repair /mnt/pmem --from BACKUP (it first says what it would do)',
	]);
	expect(lines).toContain('4096    4096    1048576          /mnt/pmem/a b');
	expect(lines.join('\n')).toMatch(/In no file[^\n]*:\nON \/dev\/pmem0 {2}LENGTH\n8388608 +4096\n/);
	expect(lines).toContain(`Read:  ${source}`);
});

test('badblocks says what it is not sure of, and what it could not look at', () => {
	const nothing = { ...mount, device: { ...device, ranges: [] }, parts: [], unowned: [] };
	expect(formatBadBlocks(nothing)).toMatch(/^\/mnt\/pmem has no bad blocks\n/);
	const unsure = formatBadBlocks({
		...nothing,
		doubts: ['a part of the volume is crypt, and bad blocks below it are not looked for'],
		failures: [systemError(-13, 'open', '/mnt/pmem/secret')],
	});
	expect(unsure).toMatch(/^\/mnt\/pmem has no bad blocks that can be seen\n/);
	expect(unsure).toMatch(/Not sure: +a part of the volume is crypt/);
	expect(unsure).toMatch(/Not looked at: +EACCES: permission denied, open '\/mnt\/pmem\/secret'/);
	const file = formatBadBlocks({ ...mount, path: '/mnt/pmem/a b', type: 'file', unowned: undefined });
	expect(file).toMatch(/^4 KiB of \/mnt\/pmem\/a b cannot be read\nFix: {2}daxkind repair '\/mnt\/pmem\/a b' --from/);
});

const planned: MediaRepair = {
	path: '/mnt/pmem/a b',
	method: 'rewrite',
	dryRun: true,
	parts: [
		{
			path: '/mnt/pmem/a b',
			offset: 4096,
			length: 4096,
			deviceOffset: 1048576,
			outcome: 'planned',
			content: undefined,
			lost: 4096,
			finding: 'it would be rewritten from a backup or with zeros (say which)',
			remedy: undefined,
			isDone: false,
			error: undefined,
		},
	],
	lost: 4096,
	quarantined: [],
	remains: mount,
	isRepaired: false,
};

test('repair says in a dry run what it would do, and the command that does it', () => {
	expect(formatRepair(planned, { method: 'rewrite' }).replace(/\n +/g, ' ')).toMatch(
		/^\/mnt\/pmem\/a b: 1 of 1 part would be repaired; 4 KiB are lost unless there is a backup\nFix: {2}daxkind repair '\/mnt\/pmem\/a b' --from BACKUP --yes \(or --zeros/,
	);
	const zeros: MediaRepair = { ...planned, parts: [{ ...planned.parts[0]!, content: 'zeros' }] };
	expect(formatRepair(zeros, { method: 'reallocate', zeros: true })).toMatch(
		/4 KiB would be lost\nFix: {2}daxkind repair '\/mnt\/pmem\/a b' --zeros --method reallocate --yes\n/,
	);
});

test('repair says what is repaired, and what remains with its remedy', () => {
	const done: MediaRepair = {
		...planned,
		dryRun: false,
		lost: 0,
		isRepaired: true,
		parts: [
			{
				...planned.parts[0]!,
				outcome: 'repaired',
				content: 'backup',
				lost: 0,
				finding: 'it can be read',
				isDone: true,
			},
		],
	};
	expect(formatRepair(done, { method: 'rewrite' })).toMatch(/^\/mnt\/pmem\/a b is repaired: 1 part; no data lost\n/);
	const uncleared: MediaRepair = {
		...done,
		isRepaired: false,
		parts: [{ ...done.parts[0]!, outcome: 'uncleared', finding: 'EFAULT', remedy: 'keep it away', isDone: false }],
	};
	expect(formatRepair(uncleared, { method: 'rewrite' })).toMatch(
		/^\/mnt\/pmem\/a b: 1 of 1 part remains bad; no data lost\nFix: {2}keep it away\n\n {2}✗ \/mnt\/pmem\/a b: 4 KiB at 4096\n {4}EFAULT\n/,
	);
});

test('no bad blocks: status 0; no such path, wrong usage: 2', () => {
	const file = join(temporaryDirectory(tmpfs), 'file');
	writeFileSync(file, 'x');
	expect(daxkind('badblocks', file)).toEqual({ status: 0, stdout: `${file} has no bad blocks\n`, stderr: '' });
	expect(daxkind('repair', file, '--yes')).toMatchObject({ status: 0, stderr: '' });
	const missing = `${file}-missing`;
	for (const command of ['badblocks', 'repair']) {
		const message = `daxkind ${command}: ENOENT: no such file or directory, statx '${missing}'\n`;
		expect(daxkind(command, missing)).toEqual({ status: 2, stdout: '', stderr: message });
	}
	expect(daxkind('repair', file, '--method', 'punch').status).toBe(2);
	expect(daxkind('badblocks').status).toBe(2);
});
