// docs/cli.md is a promise: it names every command, and every field that --json prints.
import { readFileSync } from 'node:fs';
import { type DaxFlagTree, explain, findDaxMounts, inspect, statx } from 'daxkind/dax';
import type { BadBlocks, BadPart, MediaRepair, RepairedPart } from 'daxkind/media';
import { applyMemmap, bootLines, parseMemoryTable, planMemmap } from 'daxkind/memmap';
import { expect, test } from 'vitest';
import { toJson } from '#lib/cli/output.js';
import type { Fsxattr } from '#lib/native/syscalls.js';
import { debian, machine } from '../helpers/machines.ts';
import { log, smallMachine } from '../helpers/memory-table.ts';

const documentation = readFileSync(new URL('../../docs/cli.md', import.meta.url), 'utf8');

/** The section of one command. */
const sectionOf = (command: string) => documentation.split(`\n### \`${command}\`\n`)[1]!.split('\n### ')[0]!;

/** The names of a document's fields, at any depth. */
function fieldsOf(value: unknown): string[] {
	if (Array.isArray(value)) return value.flatMap(fieldsOf);
	if (value === null || typeof value !== 'object') return [];
	return Object.entries(value).flatMap(([name, field]) => [name, ...fieldsOf(field)]);
}

const documented = (section: string) =>
	new Set([...section.matchAll(/`[^`]*`/g)].flatMap(([code]) => code.match(/\w+/g) ?? []));

// Not every file system has flags, so the test makes them up.
const fsxattr: Fsxattr = { flags: 0, extentSize: 0, extents: 0, projectId: 0, copyExtentSize: 0 };
const counts = { files: 1, directories: 0, changed: 0 };
const failures = [Object.assign(new Error(), { errno: -1, code: 'EPERM', syscall: 'ioctl' })];
const tree: DaxFlagTree = { flag: true, effective: true, pending: false, ...counts, failures };

const planned = planMemmap(parseMemoryTable(log(smallMachine)), { size: 2 ** 32 });
const argument = planned.argument!;
const elsewhere = { '/etc/default/grub': 'GRUB_CMDLINE_LINUX="memmap=64M$1G"' };
const applied = () => applyMemmap(argument, { root: machine(debian, elsewhere), dryRun: true });

const range = { offset: 0, length: 512 };
const badRange = { ...range, source: '', sourceOffset: 0 };
const device = { name: '', path: '', type: 'block' as const, major: 0, minor: 0, sources: [], doubts: [] };
const badPart: BadPart = {
	...{ ...range, path: '', type: 'file', links: 1, size: 0 },
	...{ device: '', deviceOffset: 0, unwritten: false, shared: false },
};
const bad: Omit<BadBlocks, 'device' | 'parts' | 'unowned' | 'failures'> = {
	...{ path: '', type: 'file', files: 0, directories: 0, sources: [], doubts: [] },
};
const repairedPart: Omit<RepairedPart, 'error'> = {
	...{
		...range,
		path: '',
		deviceOffset: 0,
		outcome: 'repaired',
		content: 'zeros',
		lost: 0,
		finding: '',
		remedy: '',
		isDone: true,
	},
};
const repaired: Omit<MediaRepair, 'parts' | 'quarantined' | 'remains'> & { remains: unknown } = {
	...{ path: '', method: 'rewrite', dryRun: false, lost: 0, isRepaired: true, remains: undefined },
};

test.each([
	['explain', () => [explain('/'), explain('/dev/shm'), { mapSyncRefusal: '', remedy: '' }]],
	['inspect', () => [inspect('/'), inspect(process.execPath)]],
	['statx', () => statx('/')],
	['lsattr', () => ({ path: '', xflags: 0, ...fsxattr })],
	['chattr', () => ({ path: '', ...tree })],
	['badblocks', () => ({ ...bad, parts: [badPart], device: { ...device, ranges: [badRange] }, unowned: [], failures })],
	['repair', () => ({ ...repaired, parts: [repairedPart], quarantined: [{ path: '', keptAs: '' }] })],
	[
		'memmap',
		() => [
			{ ...planned, bootLines: bootLines(argument) },
			{ ...applied(), argument, plan: planned },
		],
	],
] as const)('every field of %s --json is in its section of docs/cli.md', (command, call) => {
	const names = documented(sectionOf(command));
	expect(fieldsOf(JSON.parse(toJson(call()))).filter((name) => !names.has(name))).toEqual([]);
});

test('every field of mounts --json is there, or in that of inspect, whose mount it has', () => {
	const names = documented(`${sectionOf('mounts')}\n${sectionOf('inspect')}`);
	const fields = fieldsOf(JSON.parse(toJson(findDaxMounts({ all: true }))));
	expect(fields.filter((name) => !names.has(name))).toEqual([]);
});
