// What the workloads of several tables have in common: sizes, and how many blocks of them may live in a kind.
import { randomSizes } from '../cells/sequence.mjs';

export const sizes = { '64B': 64, '1KiB': 2 ** 10, '16KiB': 2 ** 14, '256KiB': 2 ** 18, '4MiB': 2 ** 22 };

/** Share of the kind that live blocks may fill, so that no contestant runs out of memory. */
const mostFilled = 0.75;

const room = (kindSize, size) => Math.floor((kindSize * mostFilled) / size);

/** Blocks of 4 MiB are held by the 64. */
const mostHeld = (size) => (size < 2 ** 22 ? 1000 : 64);

const bySize = (labels, make) => labels.map((label) => ({ name: label, size: sizes[label], ...make(sizes[label]) }));

/** A workload for each of some sizes; `make` gives the rest of it. */
const workloadsOf = (pattern, labels, make) =>
	bySize(labels, make).map((workload) => ({ ...workload, name: `${pattern}-${workload.name}`, pattern }));

export const pairs = (labels) => workloadsOf('pair', labels, () => ({ live: 1 }));

export const holds = (labels, kindSize) =>
	workloadsOf('hold', labels, (size) => ({ live: Math.min(mostHeld(size), room(kindSize, size)) }));

/** `size` is 0 where it is random. Less is live where the kind is small: the sum of random sizes varies. */
export const randoms = (live, kindSize) => [
	{
		name: 'random',
		pattern: 'random',
		size: 0,
		live: Math.min(live, Math.floor((kindSize * mostFilled - 2 ** 23) / randomSizes.mean)),
	},
];
