// Random sequences of all calls against a model that knows which bytes belong to whom.

import { type Kind, PmemKind } from 'daxkind';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { testDirectory } from '../helpers/directory.ts';

const MiB = 1024 * 1024;
const directory = testDirectory();
const zeros = Buffer.alloc(6 * MiB);

interface Held {
	block: Buffer;
	seed: number;
	alignment: number;
}
interface Model {
	held: Held[];
	freed: Buffer[];
	seeds: number;
}

/** Content that no other block has at the same place, so that an overlap shows. */
function paint(block: Buffer, seed: number): void {
	for (let i = 0; i < block.length; i += 64) block[i] = (seed * 31 + i) & 255;
}
/** The first place up to `length` where the content is not what was painted, or -1. */
function damage({ block, seed }: Held, length = block.length): number {
	for (let i = 0; i < length; i += 64) if (block[i] !== ((seed * 31 + i) & 255)) return i;
	return -1;
}

function checkAll(model: Model, kind: Kind): void {
	for (const held of model.held) {
		expect(damage(held)).toBe(-1);
		expect(held.block.byteOffset % held.alignment).toBe(0);
	}
	const places = model.held
		.filter(({ block }) => block.length > 0)
		.map(({ block }) => ({ from: block.byteOffset, to: block.byteOffset + kind.usableSize(block) }))
		.sort((a, b) => a.from - b.from);
	for (let i = 1; i < places.length; i++) expect(places[i]!.from).toBeGreaterThanOrEqual(places[i - 1]!.to);
	const stats = kind.stats();
	expect(stats.blocks).toBe(places.length);
	expect(stats.allocated).toBe(places.reduce((sum, { from, to }) => sum + to - from, 0));
	expect(stats.free + stats.active).toBe(stats.capacity);
	expect(stats.active).toBeGreaterThanOrEqual(stats.allocated + stats.cached);
}

function keep(model: Model, block: Buffer | undefined, alignment = 16): void {
	if (block === undefined) return;
	const seed = model.seeds++;
	paint(block, seed);
	model.held.push({ block, seed, alignment: block.length === 0 ? 1 : alignment });
}

function orOutOfMemory(call: () => Buffer): Buffer | undefined {
	try {
		return call();
	} catch (error) {
		expect(error).toMatchObject({ code: 'ERR_DAXKIND_OUT_OF_MEMORY' });
		return undefined;
	}
}

const command = (name: () => string, run: (model: Model, kind: PmemKind) => void): fc.Command<Model, PmemKind> => ({
	check: () => true,
	run,
	toString: name,
});

const size = fc.oneof(
	{ weight: 6, arbitrary: fc.integer({ min: 0, max: 2048 }) },
	{ weight: 4, arbitrary: fc.integer({ min: 2048, max: 80_000 }) },
	{ weight: 1, arbitrary: fc.integer({ min: 80_000, max: zeros.length }) },
);
const pick = fc.nat();

const commands = [
	size.map((size) =>
		command(
			() => `malloc(${size})`,
			(model, kind) => keep(model, kind.tryMalloc(size)),
		),
	),
	size.map((size) =>
		command(
			() => `calloc(1, ${size})`,
			(model, kind) => {
				const block = orOutOfMemory(() => kind.calloc(1, size));
				if (block !== undefined) expect(zeros.compare(block, 0, size, 0, size)).toBe(0);
				keep(model, block);
			},
		),
	),
	fc.tuple(fc.integer({ min: 3, max: 21 }), size).map(([log, size]) =>
		command(
			() => `memalign(${2 ** log}, ${size})`,
			(model, kind) =>
				keep(
					model,
					orOutOfMemory(() => kind.memalign(2 ** log, size)),
					2 ** log,
				),
		),
	),
	fc.tuple(pick, size).map(([which, size]) =>
		command(
			() => `realloc(${which}, ${size})`,
			(model, kind) => {
				const held = model.held[which % Math.max(1, model.held.length)];
				if (held === undefined) return;
				const { length } = held.block;
				const block = orOutOfMemory(() => kind.realloc(held.block, size));
				if (block === undefined) return;
				expect(damage({ ...held, block }, Math.min(length, size))).toBe(-1);
				model.held.splice(model.held.indexOf(held), 1);
				if (block !== held.block) model.freed.push(held.block);
				keep(model, block);
			},
		),
	),
	...[0, 1, 2].map(() =>
		pick.map((which) =>
			command(
				() => `free(${which})`,
				(model, kind) => {
					const held = model.held[which % Math.max(1, model.held.length)];
					if (held === undefined) return;
					kind.free(held.block);
					model.held.splice(model.held.indexOf(held), 1);
					model.freed.push(held.block);
				},
			),
		),
	),
	pick.map((which) =>
		command(
			() => `free again(${which})`,
			(model, kind) => {
				const block = model.freed[which % Math.max(1, model.freed.length)];
				if (block !== undefined) {
					expect(() => kind.free(block)).toThrow(expect.objectContaining({ code: 'ERR_DAXKIND_DOUBLE_FREE' }));
				}
			},
		),
	),
	pick.map((which) =>
		command(
			() => `free part(${which})`,
			(model, kind) => {
				const held = model.held[which % Math.max(1, model.held.length)];
				if (held === undefined) return;
				const part = held.block.subarray(held.block.length >> 1);
				expect(() => kind.free(part)).toThrow(expect.objectContaining({ code: 'ERR_DAXKIND_NOT_A_BLOCK' }));
			},
		),
	),
	fc.constant(
		command(
			() => 'purge()',
			(_, kind) => void kind.purge(),
		),
	),
];

for (const policy of ['default', 'conservative'] as const) {
	test(`no two blocks overlap, contents stay, books balance (${policy})`, () => {
		fc.assert(
			fc.property(fc.commands(commands, { maxCommands: 120, size: 'max' }), (sequence) => {
				const kind = PmemKind.create(directory, { maxSize: 16 * MiB, policy });
				const model: Model = { held: [], freed: [], seeds: 1 };
				try {
					fc.modelRun(() => ({ model, real: kind }), sequence);
					checkAll(model, kind);
					for (const { block } of model.held) kind.free(block);
					kind.purge();
					expect(kind.stats()).toMatchObject({ blocks: 0, allocated: 0, active: 0, committed: 0, free: 16 * MiB });
					kind.free(kind.malloc(16 * MiB));
				} finally {
					kind.close();
				}
			}),
			{ numRuns: 100 },
		);
	});
}
