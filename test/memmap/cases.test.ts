// The memory tables of 55 real machines, with the right answers. They are no part of the repository. DAXKIND_CASES says
// where they are, or they are in shared/cases/memmap beside the repository or above it.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type MemmapPlan, type MemoryTable, parseMemoryTable, planMemmap } from 'daxkind/memmap';
import { describe, expect, test } from 'vitest';
import { GIB } from '#lib/size.js';

interface PlanAnswer {
	result: string;
	args?: string;
	why?: string;
	alternative_below_4gib?: string | null;
}

interface Answer {
	table_used: string | null;
	ranges: { start: string; end: string; type: string }[];
	usable_bytes: number;
	memmap_already_applied: string[];
	memmap_entries_already: number;
	reserved_already_bytes: number;
	crashkernel_ranges: { start: string; end: string }[];
	must_remain_bytes: number;
	nokaslr_recommended: boolean | null;
	plans: Record<string, PlanAnswer>;
	must_warn?: string;
}

/** The directory of the cases, or undefined if they are not here. */
function findCases(): string | undefined {
	if (process.env.DAXKIND_CASES !== undefined) return process.env.DAXKIND_CASES;
	for (let directory = import.meta.dirname; directory !== dirname(directory); directory = dirname(directory)) {
		const cases = join(directory, 'shared/cases/memmap');
		if (existsSync(join(cases, 'answers.json'))) return cases;
	}
	return undefined;
}

const cases = findCases();
const answers: Record<string, Answer> =
	cases === undefined ? {} : JSON.parse(readFileSync(join(cases, 'answers.json'), 'utf8'));
const files = Object.entries(answers);

/** An answer's warning, and the words that our warning must have. */
const warningWords: readonly [RegExp, RegExp][] = [
	[/iomem shows the map after memmap=/, /\/proc\/iomem shows memory after memmap=/],
	[/Xen/, /Xen dom0/],
	[/damaged by KASLR/, /KASLR put the kernel into memmap=.*nokaslr/],
	[/firmware table missing/, /The firmware’s table is missing/],
	[/existing reservation already too large/, /Only .* is not taken yet\. More than that must stay free/],
	[/table incomplete|left rows out/, /The table is incomplete/],
	[/reserves 32 MiB at 6272M/, /32 MiB at 6272M is reserved, but no known memmap= reserves it/],
];

/** Files of which no table can be made. The answers, too, call them unusable. */
const refusedFiles: Record<string, string> = {
	'41-laptop-iomem-nonroot-zeros.txt': 'ERR_DAXKIND_ADDRESSES_HIDDEN',
	'42-arm64-altra-512g-no-e820.txt': 'ERR_DAXKIND_NOT_X86',
};

/**
 * The bytes by which our count differs from the answer's. KASLR put the kernel into a region, and the answers count
 * what is System RAM now in the middle of it. We count the whole region that memmap= asks for, because that is there at
 * the next boot.
 */
const damagedRegion: Record<string, number> = { '26-hpe-34g-iomem-kernel-inside-pmem.txt': 0x15982c000 - 0x155e00000 };

const sizes: Record<string, { size: number | 'max'; count: number }> = {
	'1GiBx1': { size: GIB, count: 1 },
	'4GiBx1': { size: 4 * GIB, count: 1 },
	'4GiBx2': { size: 4 * GIB, count: 2 },
	most: { size: 'max', count: 1 },
};

const hex = (address: number) => `0x${address.toString(16)}`;

function expectPlan(found: MemmapPlan, expected: PlanAnswer): void {
	if (expected.result === 'ok') {
		expect(found).toMatchObject({ possible: true, argument: expected.args, reason: undefined });
		return;
	}
	expect(found).toMatchObject({ possible: false, argument: undefined, regions: [], reason: expect.any(String) });
	if (expected.result === 'refuse') expect(found.nearest).toBeUndefined();
	if (expected.result === 'impossible') {
		expect(found.reason).toMatch(/must stay free/);
		expect(found.nearest?.regions.every(({ start }) => start >= 4 * GIB) ?? true).toBe(true);
	}
	if (expected.result === 'impossible above 4 GiB') {
		expect(found.reason).toMatch(/above 4 GiB/);
		const isBelow = found.nearest?.warnings.some((warning) => /below 4 GiB\. That is not recommended/.test(warning));
		expect(isBelow === true ? found.nearest?.argument : null).toBe(expected.alternative_below_4gib);
	}
}

function expectTable(table: MemoryTable, name: string, answer: Answer): void {
	expect(table.source).toBe(answer.table_used);
	expect(table.ranges.map(({ start, end, type }) => ({ start: hex(start), end: hex(end), type }))).toEqual(
		answer.ranges,
	);
	expect(table.memmap.map(({ text }) => text)).toEqual(
		answer.memmap_already_applied.map((text) => text.replace(/ \(.*/, '')),
	);
	expect(table.memmap.filter(({ kind }) => kind !== 'exactmap')).toHaveLength(answer.memmap_entries_already);
	const crashKernel = table.reserved.filter(({ by }) => by === 'the crash kernel');
	expect(crashKernel.map(({ start, end }) => ({ start: hex(start), end: hex(end) }))).toEqual(
		answer.crashkernel_ranges,
	);
	const { memory } = planMemmap(table, { size: 'max' });
	expect(memory).toMatchObject({
		usable: answer.usable_bytes,
		reserved: answer.reserved_already_bytes + (damagedRegion[name] ?? 0),
		mustRemain: answer.must_remain_bytes,
	});
}

if (cases === undefined) {
	test('the tables of real machines', ({ skip }) => {
		skip('they are not here: set DAXKIND_CASES to the directory with their answers.json');
	});
}

describe.skipIf(cases === undefined)('the tables of real machines', () => {
	test.each(files)('%s', (name, answer) => {
		const text = readFileSync(join(cases!, name), 'utf8');
		const code = refusedFiles[name];
		if (code !== undefined) {
			expect(Object.values(answer.plans).every(({ result }) => result === 'refuse')).toBe(true);
			const refusal = expect.objectContaining({ code, path: name, remedy: expect.any(String) });
			expect(() => parseMemoryTable(text, name)).toThrow(refusal);
			return;
		}
		const table = parseMemoryTable(text, name);
		expectTable(table, name, answer);
		for (const [wish, expected] of Object.entries(answer.plans)) {
			// Regions of several sizes are several plans.
			if (wish === 'most_several') continue;
			const found = planMemmap(table, sizes[wish]!);
			expectPlan(found, expected);
			if (answer.nokaslr_recommended !== null) expect(found.noKaslr).toBe(answer.nokaslr_recommended);
			const words = warningWords.filter(([theirs]) => theirs.test(answer.must_warn ?? '')).map(([, ours]) => ours);
			expect(words.length > 0).toBe(answer.must_warn !== undefined);
			for (const word of words) expect(found.warnings.some((warning) => word.test(warning))).toBe(true);
		}
	});
});
