// The histogram in which the benchmark keeps latencies: how far a percentile that is read from it is from the true one.
import { expect, test } from 'vitest';
import { bucketOf, merge, newHistogram, percentile, record, total } from '../../scripts/bench/cells/histogram.mjs';

const largest = 2 ** 31 - 1;

function histogramOf(values: number[]) {
	const histogram = newHistogram();
	for (const value of values) record(histogram, value);
	return histogram;
}

test('buckets follow each other without a gap, up to the largest number', () => {
	let last = -1;
	for (let value = 0; value < 2 ** 12; value++) {
		expect([last, last + 1]).toContain(bucketOf(value));
		last = bucketOf(value);
	}
	for (let power = 12; power < 31; power++) expect(bucketOf(2 ** power)).toBe(bucketOf(2 ** power - 1) + 1);
	expect(bucketOf(largest)).toBe(newHistogram().counts.length - 1);
});

test('a percentile is at most 1.6 % off, whatever the size of the numbers', () => {
	for (let value = 1; value < largest; value = Math.ceil(value * 1.01)) {
		const read = percentile(merge([histogramOf([value, value, value, largest])]), 0.5);
		expect(Math.abs(read - value) / value).toBeLessThan(0.016);
	}
});

test('a percentile of a share is the number that this share is not above', () => {
	const sum = merge([histogramOf(Array.from({ length: 1000 }, (_, i) => (i < 990 ? 20 : i < 999 ? 40 : 5_000_001)))]);
	expect([0.5, 0.99, 0.991, 0.999].map((share) => percentile(sum, share))).toEqual([20, 20, 40, 40]);
	expect(Math.abs(percentile(sum, 0.9995) / 5_000_001 - 1)).toBeLessThan(0.016);
});

test('the largest number is exact, and no percentile is above it', () => {
	const sum = merge([histogramOf([1_000_000])]);
	expect(sum.max).toBe(1_000_000);
	expect(percentile(sum, 1)).toBeLessThanOrEqual(1_000_000);
});

test('several histograms are as one with all numbers', () => {
	const [some, others] = [
		[1, 70, 70, 100_000],
		[2, 3, 900_000],
	];
	const sum = merge([histogramOf(some), histogramOf(others)]);
	expect(sum).toEqual(merge([histogramOf([...some, ...others])]));
	expect(total(sum)).toBe(7);
	expect(sum.counts.at(-1)).toBe(1);
});
