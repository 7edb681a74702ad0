// Random numbers that are the same for the same seed.

/** A generator with 32 bits of state (mulberry32): short, and good enough to choose operations and sizes. */
export class Random {
	#state;

	constructor(...seeds) {
		this.#state = 0;
		for (const seed of seeds) this.#state = (Math.imul(this.next() ^ seed, 0x9e3779b1) + 1) | 0;
	}

	/** An integer from 0 to 2^32 - 1. */
	next() {
		this.#state = (this.#state + 0x6d2b79f5) | 0;
		let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
		mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
		return (mixed ^ (mixed >>> 14)) >>> 0;
	}

	/** An integer from 0 to `end` - 1. */
	below(end) {
		return Math.floor((this.next() / 2 ** 32) * end);
	}

	chance(probability) {
		return this.next() < probability * 2 ** 32;
	}

	pick(list) {
		return list[this.below(list.length)];
	}

	/** An integer from `least` to `most` (inclusive). Each doubling is as likely as the others. */
	logUniform(least, most) {
		const exponent = (this.next() / 2 ** 32) * Math.log((most + 1) / least);
		return Math.min(most, Math.floor(least * Math.exp(exponent)));
	}
}
