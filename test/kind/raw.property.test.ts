// Random sequences of mallocRaw, freeRaw, malloc and free against a model, and numbers that the model does not know.
import type { RawHandle } from 'daxkind';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MIB } from '#lib/size.js';
import { release } from '../../scripts/players/operations.mjs';
import type { Player } from '../../scripts/players/player.mjs';
import { testDirectory } from '../helpers/directory.ts';
import { create } from '../helpers/kinds.ts';
import { command, commandsOf, expectApart, play } from '../helpers/players.ts';

const directory = testDirectory();

const refusal = expect.objectContaining({
	code: expect.stringMatching(/^ERR_DAXKIND_(DOUBLE_FREE|NOT_A_BLOCK|WRONG_KIND)$/),
});

/** Handles that were freed in this sequence. */
const freed: number[] = [];

const isLive = ({ held }: Player, number: number) => held.some(({ memory }) => memory === number);

/** The handle of a block that is held, if the player happens to find one. */
function someHandle(player: Player): number | undefined {
	return player.choose('raw')?.memory as number | undefined;
}

const commands = [
	commandsOf('malloc', 'mallocRaw', 'tryMallocRaw', 'free', 'misuse', 'purge'),
	fc.constant(
		command(
			() => 'a handle again',
			(player) => {
				const entry = player.choose('raw');
				if (entry === undefined) return;
				const handle = entry.memory as number;
				release(player, entry);
				expect(() => player.kind.freeRaw(handle)).toThrow(refusal);
				freed.push(handle);
			},
		),
	),
	fc.nat().map((which) =>
		command(
			() => `a handle of before(${which})`,
			(player) => {
				const handle = freed[which % Math.max(1, freed.length)];
				// A number can be given out again: see freeRaw.
				if (handle !== undefined && !isLive(player, handle)) {
					expect(() => player.kind.freeRaw(handle)).toThrow(refusal);
				}
			},
		),
	),
	fc.integer({ min: 1, max: 4096 }).map((distance) =>
		command(
			() => `beside a handle(${distance})`,
			(player) => {
				const handle = someHandle(player);
				if (handle === undefined || isLive(player, handle + distance)) return;
				expect(() => player.kind.freeRaw(handle + distance)).toThrow(refusal);
			},
		),
	),
];
function checkAll(player: Player): void {
	const { kind, held } = player;
	const handles = held.filter(({ form }) => form === 'raw').map(({ memory }) => memory);
	expect(new Set(handles).size).toBe(handles.length);
	const ranges = held.map(({ form, memory }) => {
		const view = form === 'raw' ? kind.view(memory) : memory;
		return { from: view.byteOffset, to: view.byteOffset + (form === 'raw' ? view.length : kind.usableSize(memory)) };
	});
	expectApart(ranges);
	const allocated = ranges.reduce((sum, { from, to }) => sum + to - from, 0);
	expect(kind.stats()).toMatchObject({ blocks: ranges.length, allocated });
}

test('handles never share memory, what was written stays, and only live ones are freed', () => {
	fc.assert(
		fc.property(fc.nat(), fc.commands(commands, { maxCommands: 150, size: 'max' }), (habits, sequence) => {
			const kind = create(directory, { maxSize: 16 * MIB });
			freed.length = 0;
			try {
				play(kind, habits, sequence, checkAll);
				kind.free(kind.malloc(16 * MIB));
			} finally {
				kind.close();
			}
		}),
		{ numRuns: 150 },
	);
});

test('no number at all is taken for a handle but the handles that are out', () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	const live = new Set<number>();
	for (const size of [16, 100, 5000, 8192, 20_000, MIB]) for (let i = 0; i < 20; i++) live.add(kind.tryMallocRaw(size));
	live.delete(0);
	const before = kind.stats();
	const [some] = live;
	const near = fc.bigInt({ min: 0n, max: 2n ** 53n - 1n }).map((bits) => Number(bits ^ BigInt(some!)));
	try {
		fc.assert(
			fc.property(fc.oneof(fc.double(), fc.maxSafeInteger(), fc.maxSafeNat(), near), (number) => {
				fc.pre(number !== 0 && !live.has(number));
				expect(() => kind.freeRaw(number as RawHandle)).toThrow(refusal);
			}),
			{ numRuns: 3000 },
		);
		expect(kind.stats()).toEqual(before);
		for (const handle of live) kind.freeRaw(handle as RawHandle);
	} finally {
		kind.close();
	}
});
