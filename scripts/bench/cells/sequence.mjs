// The random numbers and sizes of the benchmark. memkind/sequence.c makes the same ones, so that all contestants get
// the same requests.

/** Blocks of the random workload: log-uniform from 16 bytes to 64 KiB, 7.7 KiB on average. */
export const randomSizes = { least: 16, doublings: 12, mean: 7877 };

/** xorshift32: the next number, from 0 to 2^31 - 1. */
export function randomNumbers(seed) {
	let state = seed | 0;
	return () => {
		state ^= state << 13;
		state ^= state >>> 17;
		state ^= state << 5;
		return state & 0x7fffffff;
	};
}

/** 2^16 log-uniform sizes, which are used again and again. */
export function sizeTable(next) {
	return Int32Array.from({ length: 2 ** 16 }, () =>
		Math.floor(randomSizes.least * 2 ** ((randomSizes.doublings * next()) / 2 ** 31)),
	);
}

/** 16 to 8176 bytes, 4 KiB on average. */
export const uniformSize = (next) => 16 + (next() % 8161);
