// Random sequences of mallocRaw, freeRaw, malloc and free against a model; and numbers that no model knows.
import type { PmemKind } from 'daxkind';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { testDirectory } from '../helpers/directory.ts';
import { create } from '../helpers/kinds.ts';

const MiB = 1024 * 1024;
const directory = testDirectory();

interface Model {
	/** Live handles, with the length and the first bytes that were written. */
	live: Map<number, { size: number; seed: number }>;
	/** The last 50 that were freed. */
	stale: number[];
	blocks: Buffer[];
	seeds: number;
}

const refusal = expect.objectContaining({
	code: expect.stringMatching(/^ERR_DAXKIND_(DOUBLE_FREE|NOT_A_BLOCK|WRONG_KIND)$/),
});

const command = (name: () => string, run: (model: Model, kind: PmemKind) => void): fc.Command<Model, PmemKind> => ({
	check: () => true,
	run,
	toString: name,
});

const size = fc.oneof(
	{ weight: 6, arbitrary: fc.integer({ min: 1, max: 2048 }) },
	{ weight: 4, arbitrary: fc.integer({ min: 2048, max: 80_000 }) },
	{ weight: 1, arbitrary: fc.integer({ min: 80_000, max: 6 * MiB }) },
);
const pick = fc.nat();

function pickOf(model: Model, which: number): number | undefined {
	return [...model.live.keys()][which % Math.max(1, model.live.size)];
}

function checkLive(model: Model, kind: PmemKind): void {
	let allocated = model.blocks.reduce((sum, block) => sum + kind.usableSize(block), 0);
	const ranges = model.blocks.map((block) => [block.byteOffset, block.byteOffset + kind.usableSize(block)] as const);
	for (const [handle, { size, seed }] of model.live) {
		const view = kind.view(handle);
		expect(view.length).toBeGreaterThanOrEqual(size);
		expect([view[0], view[size - 1]]).toEqual([seed & 255, seed & 255]);
		ranges.push([view.byteOffset, view.byteOffset + view.length]);
		allocated += view.length;
	}
	ranges.sort(([a], [b]) => a - b);
	for (let i = 1; i < ranges.length; i++) expect(ranges[i]![0]).toBeGreaterThanOrEqual(ranges[i - 1]![1]);
	expect(kind.stats()).toMatchObject({ blocks: ranges.length, allocated });
}

const commands = [
	...[0, 1].map(() =>
		size.map((size) =>
			command(
				() => `mallocRaw(${size})`,
				(model, kind) => {
					const handle = kind.tryMallocRaw(size);
					if (handle === 0) return;
					expect(Number.isSafeInteger(handle) && !model.live.has(handle)).toBe(true);
					const seed = model.seeds++;
					const view = kind.view(handle, size);
					view[0] = seed;
					view[size - 1] = seed;
					model.live.set(handle, { size, seed });
				},
			),
		),
	),
	...[0, 1].map(() =>
		pick.map((which) =>
			command(
				() => `freeRaw(${which})`,
				(model, kind) => {
					const handle = pickOf(model, which);
					if (handle === undefined) return;
					kind.freeRaw(handle);
					model.live.delete(handle);
					model.stale.push(handle);
					if (model.stale.length > 50) model.stale.shift();
				},
			),
		),
	),
	size.map((size) =>
		command(
			() => `malloc(${size})`,
			(model, kind) => {
				const block = kind.tryMalloc(size);
				if (block !== undefined) model.blocks.push(block);
			},
		),
	),
	pick.map((which) =>
		command(
			() => `free(${which})`,
			(model, kind) => kind.free(model.blocks.splice(which % Math.max(1, model.blocks.length), 1)[0]),
		),
	),
	pick.map((which) =>
		command(
			() => `a handle again(${which})`,
			(model, kind) => {
				const handle = model.stale[which % Math.max(1, model.stale.length)];
				// A number can be given out again: see freeRaw.
				if (handle !== undefined && !model.live.has(handle)) expect(() => kind.freeRaw(handle)).toThrow(refusal);
			},
		),
	),
	fc.tuple(pick, fc.integer({ min: 1, max: 4096 })).map(([which, distance]) =>
		command(
			() => `beside a handle(${which}, ${distance})`,
			(model, kind) => {
				const handle = pickOf(model, which);
				if (handle === undefined || model.live.has(handle + distance)) return;
				expect(() => kind.freeRaw(handle + distance)).toThrow(refusal);
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

test('handles never share memory, what was written stays, and only live ones are freed', () => {
	fc.assert(
		fc.property(fc.commands(commands, { maxCommands: 150, size: 'max' }), (sequence) => {
			const kind = create(directory, { maxSize: 16 * MiB });
			const model: Model = { live: new Map(), stale: [], blocks: [], seeds: 1 };
			try {
				fc.modelRun(() => ({ model, real: kind }), sequence);
				checkLive(model, kind);
				for (const handle of model.live.keys()) kind.freeRaw(handle);
				for (const block of model.blocks) kind.free(block);
				expect(kind.stats()).toMatchObject({ blocks: 0, allocated: 0 });
				kind.free(kind.malloc(16 * MiB));
			} finally {
				kind.close();
			}
		}),
		{ numRuns: 150 },
	);
});

test('no number at all is taken for a handle but the handles that are out', () => {
	const kind = create(directory, { maxSize: 16 * MiB });
	const live = new Set<number>();
	for (const size of [16, 100, 5000, 8192, 20_000, MiB]) for (let i = 0; i < 20; i++) live.add(kind.tryMallocRaw(size));
	live.delete(0);
	const before = kind.stats();
	const [some] = live;
	const near = fc.bigInt({ min: 0n, max: 2n ** 53n - 1n }).map((bits) => Number(bits ^ BigInt(some!)));
	try {
		fc.assert(
			fc.property(fc.oneof(fc.double(), fc.maxSafeInteger(), fc.maxSafeNat(), near), (number) => {
				fc.pre(number !== 0 && !live.has(number));
				expect(() => kind.freeRaw(number)).toThrow(refusal);
			}),
			{ numRuns: 3000 },
		);
		expect(kind.stats()).toEqual(before);
		for (const handle of live) kind.freeRaw(handle);
	} finally {
		kind.close();
	}
});
