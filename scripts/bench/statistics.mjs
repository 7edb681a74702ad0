// Reduces all samples of all rounds to the figures that count: medians, and ratios of medians.

export function median(numbers) {
	const sorted = [...numbers].sort((a, b) => a - b);
	const middle = sorted.length >> 1;
	return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export const mapValues = (object, map) =>
	Object.fromEntries(Object.entries(object).map(([key, value]) => [key, map(value, key)]));

/** For each contestant: the median of a figure over the rounds. */
export const medianOf = (rounds, figure) => mapValues(rounds, (results) => median(results.map(figure)));

/** For each contestant: the median of a figure over the samples of each round, then over the rounds. */
export const medianOfSamples = (rounds, name) =>
	medianOf(rounds, ({ samples }) => median(samples.map((sample) => sample[name])));
