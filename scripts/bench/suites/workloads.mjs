// What the workloads of several tables share: sizes, and how many blocks of each size may live in a kind.
import { randomSizes } from '../cells/sequence.mjs';

export const sizes = { '64B': 64, '1KiB': 2 ** 10, '16KiB': 2 ** 14, '256KiB': 2 ** 18, '4MiB': 2 ** 22 };

/** The share of the kind that live blocks may fill. With it no contestant runs out of memory. */
const mostFilled = 0.75;

const room = (kindSize, size) => Math.floor((kindSize * mostFilled) / size);

/** The most blocks that are held at once. Of blocks of 4 MiB it is 64. */
const mostHeld = (size) => (size < 2 ** 22 ? 1000 : 64);

const bySize = (labels, make) => labels.map((label) => ({ name: label, size: sizes[label], ...make(sizes[label]) }));

/** A workload for each of some sizes. `make` gives its other fields. */
const workloadsOf = (pattern, labels, make) =>
	bySize(labels, make).map((workload) => ({ ...workload, name: `${pattern}-${workload.name}`, pattern }));

export const pairs = (labels) => workloadsOf('pair', labels, () => ({ live: 1 }));

export const holds = (labels, kindSize) =>
	workloadsOf('hold', labels, (size) => ({ live: Math.min(mostHeld(size), room(kindSize, size)) }));

/** `size` is 0 because it is random. In a small kind fewer blocks are live, because the sum of random sizes varies. */
export const randoms = (live, kindSize) => [
	{
		name: 'random',
		pattern: 'random',
		size: 0,
		live: Math.min(live, Math.floor((kindSize * mostFilled - 2 ** 23) / randomSizes.mean)),
	},
];
