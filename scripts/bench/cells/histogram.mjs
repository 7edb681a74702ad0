// Latencies by the million in a few kilobytes. The buckets of the histogram are 1/32 of a power of two wide, so that a
// latency that is read from it is wrong by at most 1.6 %. memkind/tail.c has the same buckets.

/** Each power of two has 2 ** 5 buckets. */
const bits = 5;
/** Below this, each number of nanoseconds has its own bucket. */
const exact = 2 ** (bits + 1);
const buckets = (31 - bits + 1) << bits;

/**
 * A count for each bucket, and the largest number. fill(0) touches the array now, and not when the first number comes.
 */
export const newHistogram = () => ({ counts: new Int32Array(buckets).fill(0), max: 0 });

/** The bucket of a number from 0 to 2 ** 31 - 1. */
export function bucketOf(value) {
	if (value < exact) return value;
	const shift = 31 - bits - Math.clz32(value);
	return (shift << bits) + (value >>> shift);
}

/** The middle of a bucket. */
function middleOf(bucket) {
	if (bucket < exact) return bucket;
	const shift = (bucket >> bits) - 1;
	const first = (bucket - (shift << bits)) * 2 ** shift;
	return first + (2 ** shift - 1) / 2;
}

export function record(histogram, value) {
	histogram.counts[bucketOf(value)]++;
	if (value > histogram.max) histogram.max = value;
}

/** The sum of histograms, in the form that is printed: without the empty buckets at the end. */
export function merge(histograms) {
	const counts = new Array(buckets).fill(0);
	for (const histogram of histograms) {
		for (const [bucket, count] of histogram.counts.entries()) counts[bucket] += count;
	}
	counts.length = counts.findLastIndex((count) => count > 0) + 1;
	return { counts, max: Math.max(...histograms.map(({ max }) => max)) };
}

export const total = ({ counts }) => counts.reduce((sum, count) => sum + count, 0);

/** The smallest number that is at least as large as that share of all numbers. */
export function percentile(histogram, share) {
	const { counts, max } = histogram;
	const wanted = share * total(histogram);
	let sum = 0;
	const bucket = counts.findIndex((count) => {
		sum += count;
		return count > 0 && sum >= wanted;
	});
	return Math.min(middleOf(bucket), max);
}
