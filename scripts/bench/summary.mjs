// From all samples of all rounds to the figures that count: medians, and ratios of medians.

export function median(numbers) {
	const sorted = [...numbers].sort((a, b) => a - b);
	const middle = sorted.length >> 1;
	return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

const clocks = ['cpu', 'wall', 'process'];

/** The median over the samples of each round, and over the rounds; in nanoseconds for each malloc and free. */
function times(rounds) {
	const of = (clock) => median(rounds.map(({ samples }) => median(samples.map((sample) => sample[clock]))));
	return Object.fromEntries(clocks.map((clock) => [clock, of(clock)]));
}

const mapValues = (object, map) => Object.fromEntries(Object.entries(object).map(([key, value]) => [key, map(value)]));

/** Adds to the rounds of a timed workload: `ns`, and `ratio`: daxkind's CPU time over each other's. */
export function summarise(result) {
	const ns = mapValues(result.rounds, times);
	const { daxkind, ...others } = ns;
	return { ...result, ns, ratio: mapValues(others, ({ cpu }) => daxkind.cpu / cpu) };
}

/** Adds to the rounds of the filling: the utilisation at the first failure, and after the last refill. */
export function summariseFill(result) {
	return {
		...result,
		first: mapValues(result.rounds, (rounds) => median(rounds.map(({ filled }) => filled[0]))),
		refilled: mapValues(result.rounds, (rounds) => median(rounds.map(({ filled }) => filled.at(-1)))),
	};
}
