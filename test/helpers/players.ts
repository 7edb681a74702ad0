// The operations of the random testers (scripts/players/) as commands of fast-check. The choices of each operation
// follow from a seed of its own, so a sequence can be shortened and the rest of it still does the same.
import type { Kind } from 'daxkind';
import fc from 'fast-check';
import { expect } from 'vitest';
import { freeing, making, newPhase, others, release } from '../../scripts/players/operations.mjs';
import { Player } from '../../scripts/players/player.mjs';
import { Random } from '../../scripts/random.mjs';

export type Command = fc.Command<Player, Kind>;

export const command = (name: () => string, run: (player: Player) => void): Command => ({
	check: () => true,
	run,
	toString: name,
});

type Operation = [name: string, weight: number, run: (player: Player) => unknown];

/** The operations with one of these names. Each is as frequent as it is in the random testers. */
export function commandsOf(...names: string[]): fc.Arbitrary<Command> {
	const all = [...making, ...freeing, ...others] as Operation[];
	const chosen = names.map((name) => all.find(([known]) => known === name)!);
	return fc.oneof(
		...chosen.map(([name, weight, run]) => ({
			weight: Math.ceil(weight),
			arbitrary: fc.nat().map((seed) =>
				command(
					() => `${name}(${seed})`,
					(player) => {
						player.random = new Random(seed);
						player.operation = name;
						run(player);
					},
				),
			),
		})),
	);
}

/** Runs commands on a kind, has `check` look at what is held at the end, and frees that. */
export function play(kind: Kind, habits: number, commands: Iterable<Command>, check: (player: Player) => void): void {
	const random = new Random(habits);
	const player = new Player({ kind, random, phase: newPhase(random), largest: 6 * 1024 * 1024 });
	fc.modelRun(() => ({ model: player, real: kind }), commands);
	for (const entry of player.held) player.verify(entry, true);
	check(player);
	while (player.held.length > 0) release(player, player.held.at(-1)!);
	expect(kind.stats()).toMatchObject({ blocks: 0, allocated: 0 });
}

/** Expects that no two of these ranges share a byte. */
export function expectApart(ranges: { from: number; to: number }[]): void {
	const sorted = ranges.toSorted((a, b) => a.from - b.from);
	for (let i = 1; i < sorted.length; i++) expect(sorted[i]!.from).toBeGreaterThanOrEqual(sorted[i - 1]!.to);
}
