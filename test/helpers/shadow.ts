// A medium that knows which of its stores are persistent, as pmreorder of PMDK does. What has not been flushed and fenced
// may be on the medium after a power failure or not, each word of 8 bytes by itself: the processor may write any cache
// line back at any time, and a line that it writes may have any of the stores to it.
import type { Random } from '../../scripts/random.mjs';

const word = 8;

/** A word that is stored and not persistent. */
interface Pending {
	offset: number;
	bytes: Buffer;
}

export class ShadowMedium {
	/** What a reader sees now. */
	readonly memory: Buffer;
	/** What is on the medium for certain. */
	readonly durable: Buffer;
	#pending = new Map<number, Pending>();
	/** Called before stores become persistent, and after each of the medium's calls: a power failure could come now. */
	onMoment: () => void = () => {};

	/** 'before': the next store of 16 or 28 bytes fails. 'after': it fails, and has stored. It fails once. */
	failing: 'before' | 'after' | undefined;
	/** How many of those stores succeed before. */
	failsAfter = 0;

	constructor(content: Buffer) {
		this.memory = Buffer.from(content);
		this.durable = Buffer.from(content);
	}

	get length(): number {
		return this.memory.length;
	}

	hasLost(): boolean {
		return false;
	}

	at(offset: number, length: number): Buffer {
		if (offset < 0 || offset + length > this.memory.length) throw new RangeError('beyond the medium');
		return this.memory.subarray(offset, offset + length);
	}

	write(offset: number, bytes: Uint8Array): void {
		const isFailing = this.failing !== undefined && [16, 28].includes(bytes.length) && this.failsAfter-- <= 0;
		const { failing } = this;
		if (isFailing) this.failing = undefined;
		if (isFailing && failing === 'before') throw new Error('EIO');
		this.at(offset, bytes.length).set(bytes);
		const end = offset + bytes.length;
		for (let at = offset - (offset % word); at < end; at += word) {
			this.#pending.set(at, { offset: at, bytes: Buffer.from(this.memory.subarray(at, at + word)) });
		}
		this.onMoment();
		if (isFailing) throw new Error('EIO');
	}

	drain(): void {
		for (const { offset, bytes } of this.#pending.values()) bytes.copy(this.durable, offset);
		this.#pending.clear();
		this.onMoment();
	}

	/**
	 * What a power failure may leave now: all combinations of the words that are not persistent, or `most` of them. Among
	 * these are nothing, everything, all but one, each one alone, and all beginnings.
	 */
	*afterFailure(random: Random, most: number): Generator<Buffer> {
		const pending = [...this.#pending.values()];
		const count = pending.length;
		const choices: ((index: number) => boolean)[] = [];
		if (2 ** count <= most) {
			for (let set = 0; set < 2 ** count; set++) choices.push((index) => ((set >> index) & 1) === 1);
		} else {
			choices.push(
				() => false,
				() => true,
			);
			const step = Math.max(1, Math.floor((3 * count) / most));
			for (let one = 0; one < count; one += step) {
				choices.push(
					(index) => index === one,
					(index) => index !== one,
					(index) => index < one,
				);
			}
			while (choices.length < most) {
				const chosen = pending.map(() => random.below(2) === 1);
				choices.push((index) => chosen[index]!);
			}
		}
		for (const isThere of choices) {
			const left = Buffer.from(this.durable);
			pending.forEach(({ offset, bytes }, index) => {
				if (isThere(index)) bytes.copy(left, offset);
			});
			yield left;
		}
	}
}
