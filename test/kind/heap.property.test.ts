// Random sequences of all calls, against a model that knows which bytes belong to which block.
import { PmemKind } from 'daxkind';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MIB } from '#lib/size.js';
import type { Player } from '../../scripts/players/player.mjs';
import { testDirectory } from '../helpers/directory.ts';
import { commandsOf, expectApart, play } from '../helpers/players.ts';

const directory = testDirectory();

const commands = commandsOf(
	...[
		'malloc',
		'tryMalloc',
		'array',
		'tryArray',
		'calloc',
		'memalign',
		'realloc up',
		'realloc down',
		'realloc to 0',
		'free',
	],
	...['defragReallocate', 'usableSize', 'stale reference', 'misuse', 'stats', 'purge'],
);

function checkAll({ kind, held, freed }: Player): void {
	const places = held.map(({ memory }) => ({
		from: memory.byteOffset,
		to: memory.byteOffset + kind.usableSize(memory),
	}));
	expectApart(places);
	const stats = kind.stats();
	expect(stats.blocks).toBe(places.length);
	expect(stats.allocated).toBe(places.reduce((sum, { from, to }) => sum + to - from, 0));
	expect(stats.free + stats.active).toBe(stats.capacity);
	expect(stats.active).toBeGreaterThanOrEqual(stats.allocated + stats.cached);
	for (const block of freed) {
		expect(() => kind.free(block)).toThrow(expect.objectContaining({ code: 'ERR_DAXKIND_DOUBLE_FREE' }));
	}
	for (const { memory } of held) {
		const part = memory.subarray(memory.length >> 1);
		expect(() => kind.free(part)).toThrow(expect.objectContaining({ code: 'ERR_DAXKIND_NOT_A_BLOCK' }));
	}
	expect(kind.stats()).toEqual(stats);
}

for (const policy of ['default', 'conservative'] as const) {
	test(`no two blocks overlap, contents stay, books balance (${policy})`, () => {
		fc.assert(
			fc.property(fc.nat(), fc.commands([commands], { maxCommands: 120, size: 'max' }), (habits, sequence) => {
				const kind = PmemKind.create(directory, { maxSize: 16 * MIB, policy });
				try {
					play(kind, habits, sequence, checkAll);
					kind.purge();
					expect(kind.stats()).toMatchObject({ blocks: 0, allocated: 0, active: 0, committed: 0, free: 16 * MIB });
					kind.free(kind.malloc(16 * MIB));
				} finally {
					kind.close();
				}
			}),
			{ numRuns: 100 },
		);
	});
}
