// The workloads: which pattern, blocks of which size, how many of them live. A kind that is too small for one gets
// fewer live blocks, and the name says so.

const sizes = { '64B': 64, '1KiB': 2 ** 10, '16KiB': 2 ** 14, '256KiB': 2 ** 18, '4MiB': 2 ** 22 };

/** Blocks of the random workload: log-uniform from 16 bytes to 64 KiB, 7.7 KiB on average. */
export const randomSizes = { least: 16, doublings: 12, mean: 7877 };

/** Share of the kind that live blocks may fill, so that no contestant runs out of memory. */
const mostFilled = 0.75;

/** Less where the kind is small: the sum of random sizes varies. */
const roomForRandom = (kindSize) => Math.floor((kindSize * mostFilled - 2 ** 23) / randomSizes.mean);

/** Blocks of 4 MiB are held by the 64. */
const mostHeld = (size) => (size < 2 ** 22 ? 1000 : 64);

/** The timed workloads for a kind of so many bytes. `size` is 0 where it is random. */
export function timedWorkloads(kindSize) {
	const room = (size) => Math.floor((kindSize * mostFilled) / size);
	const pair = Object.entries(sizes).map(([label, size]) => ({
		name: `pair-${label}`,
		pattern: 'pair',
		size,
		live: 1,
	}));
	const hold = Object.entries(sizes).map(([label, size]) => ({
		name: `hold-${label}`,
		pattern: 'hold',
		size,
		live: Math.min(mostHeld(size), room(size)),
	}));
	const random = { name: 'random', pattern: 'random', size: 0, live: Math.min(100_000, roomForRandom(kindSize)) };
	return [...pair, ...hold, random];
}

/** How much of a kind can be used: fill until the first failure, then ten times free a random half and refill. */
export const utilisation = { name: 'util', pattern: 'fill', size: 0, live: 0 };
