// Keys as a service's clients ask for them: Zipf's law, in a random order of the keys.

/**
 * A generator of ranks from 0 to `count` - 1, where rank r comes in proportion to 1 / (r + 1) ** exponent.
 *
 * @param next See randomNumbers of sequence.mjs.
 */
export function zipf(count, exponent, next) {
	const sums = new Float64Array(count);
	let sum = 0;
	for (let i = 0; i < count; i++) {
		sum += (i + 1) ** -exponent;
		sums[i] = sum;
	}
	return () => {
		const wanted = (next() / 2 ** 31) * sum;
		let low = 0;
		let high = count - 1;
		while (low < high) {
			const middle = (low + high) >>> 1;
			if (sums[middle] < wanted) low = middle + 1;
			else high = middle;
		}
		return low;
	};
}
