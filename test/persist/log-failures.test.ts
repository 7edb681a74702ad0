// Power failures at every moment of a log's life, with every combination of stores that were not persistent yet, or a
// part of the combinations where there are too many.
import { describe, expect, test } from 'vitest';
import { recordsAt } from '#lib/persist/format.js';
import { contentOf, format, Journal } from '#lib/persist/journal.js';
import { KIB } from '#lib/size.js';
import { Random } from '../../scripts/random.mjs';
import { ShadowMedium } from '../helpers/shadow.ts';

const size = 224 * KIB;
/** How many combinations are tried at each moment. */
const most = 64;

const contents = (journal: Journal) => [...journal.iterate(recordsAt)].map(({ data }) => data);

/** Data that say which record they are, so that no record passes for another one. */
function record(number: number, length: number): Buffer {
	const data = Buffer.alloc(length);
	for (let at = 0; at < length; at++) data[at] = (number * 37 + at * 11) & 0xff;
	return data;
}

const isSame = (found: Buffer[], expected: Buffer[]) =>
	found.length === expected.length && found.every((data, at) => data.equals(expected[at]!));

/** A log with what a person would expect of it, and a power failure at every moment. */
class Life {
	readonly #random: Random;
	readonly #medium: ShadowMedium;
	/** What the log may hold after a failure: what it held, or what a call that is under way leaves. */
	#allowed: Buffer[][] = [[]];
	#journal: Journal | undefined;
	#next = 0;
	failures = 0;

	constructor(seed: number, medium = new ShadowMedium(Buffer.alloc(size))) {
		this.#random = new Random(seed);
		this.#medium = medium;
		medium.onMoment = () => this.#fail();
	}

	/** Looks at what failures now would leave. */
	#fail(): void {
		for (const left of this.#medium.afterFailure(this.#random, most)) {
			this.failures++;
			const medium = new ShadowMedium(left);
			const content = contentOf(medium, size);
			if (this.#journal === undefined && content === 'nothing') continue;
			expect(content).toBe('log');
			const journal = new Journal(medium);
			const found = contents(journal);
			if (!this.#allowed.some((expected) => isSame(found, expected))) {
				throw new Error(`after a failure the log has ${found.length} records: ${found.map(({ length }) => length)}`);
			}
			this.#goOn(journal, medium, found);
		}
	}

	/** Whatever was left, what is appended then is there, and no older record comes back. */
	#goOn(journal: Journal, medium: ShadowMedium, found: Buffer[]): void {
		const data = record(9999, this.#random.pick([0, 8, 40, 3000]));
		journal.append([data]);
		const again = new Journal(new ShadowMedium(medium.durable));
		if (!isSame(contents(again), [...found, data])) throw new Error('what was appended after a failure is not there');
	}

	/** Does something to the log. A failure in the middle leaves what was there, or one of `others`. */
	#during(others: Buffer[][], action: () => void): void {
		const [before] = this.#allowed;
		this.#allowed = [before!, ...others];
		action();
		this.#allowed = [others.at(-1) ?? before!];
	}

	open(): void {
		if (this.#journal === undefined) format(this.#medium, size, 12345);
		this.#during([], () => {
			this.#journal = new Journal(this.#medium);
		});
		expect(isSame(contents(this.#journal!), this.#allowed[0]!)).toBe(true);
	}

	close(): void {
		this.#during([], () => this.#journal!.close());
	}

	append(...lengths: number[]): void {
		const [before] = this.#allowed;
		const records = lengths.map((length) => record(this.#next++, length));
		const beginnings = records.map((_, at) => [...before!, ...records.slice(0, at + 1)]);
		this.#during(beginnings, () => this.#journal!.append(records));
	}

	/**
	 * An append whose last record cannot be stored, or is stored with an error: whatever is on the medium, the log stays
	 * as it was.
	 */
	appendInVain(failing: 'before' | 'after', ...lengths: number[]): void {
		const [before] = this.#allowed;
		const records = [...lengths.map((length) => record(this.#next++, length)), Buffer.alloc(0)];
		const beginnings = records.map((_, at) => [...before!, ...records.slice(0, at + 1)]);
		this.#during([...beginnings, before!], () => {
			Object.assign(this.#medium, { failing, failsAfter: 0 });
			expect(() => this.#journal!.append(records)).toThrow('EIO');
		});
		expect(isSame(contents(this.#journal!), before!)).toBe(true);
	}

	/** A truncation whose checkpoint cannot be stored, or is stored with an error. */
	truncateInVain(failing: 'before' | 'after', count: number): void {
		const [before] = this.#allowed;
		const positions = [...this.#journal!.iterate(recordsAt)].map(({ position }) => position);
		const left = before!.slice(0, before!.length - count);
		this.#during([left, before!], () => {
			Object.assign(this.#medium, { failing, failsAfter: 0 });
			expect(() => this.#journal!.truncate(positions[left.length]!)).toThrow('EIO');
		});
		expect(isSame(contents(this.#journal!), before!)).toBe(true);
	}

	/** An append whose checkpoint fails afterwards: the records are there. */
	appendWithoutCheckpoint(failing: 'before' | 'after', length: number): void {
		Object.assign(this.#medium, { failing, failsAfter: 1 });
		this.append(length);
		expect(this.#medium.failing).toBe(undefined);
	}

	appendTooMuch(): void {
		const [before] = this.#allowed;
		expect(() => this.#journal!.append([Buffer.alloc(0), Buffer.alloc(size)])).toThrow('do not fit');
		expect(isSame(contents(this.#journal!), before!)).toBe(true);
	}

	/** Removes the last `count` records. */
	truncate(count: number): void {
		const [before] = this.#allowed;
		const positions = [...this.#journal!.iterate(recordsAt)].map(({ position }) => position);
		const left = before!.slice(0, before!.length - count);
		this.#during([left], () => this.#journal!.truncate(positions[left.length]!));
	}
}

test('a log that is made, filled over several checkpoints, truncated, closed and opened again is whole after any failure', () => {
	const life = new Life(1);
	life.open();
	life.append(0);
	life.append(1);
	life.append(24, 8, 0, 100);
	life.append(4096);
	life.append(4097);
	life.append(30_000, 31_000);
	life.append(20_000);
	life.truncate(2);
	life.append(20_000);
	life.close();
	life.open();
	life.append(8, 8, 8);
	life.truncate(3);
	life.append(8);
	life.truncate(11);
	life.append(16, 3000);
	life.close();
	life.open();
	expect(life.failures).toBeGreaterThan(1000);
});

test('records of the same length in the same places, again and again, never bring back those before them', () => {
	const life = new Life(2);
	life.open();
	for (let round = 0; round < 6; round++) {
		life.append(40, 40, 40);
		life.truncate(2);
		life.append(40);
		life.open();
		life.truncate(2);
	}
});

test('a record that does not fit changes nothing', () => {
	const life = new Life(5);
	life.open();
	life.append(100);
	life.appendTooMuch();
	life.append(50_000, 50_000);
	life.appendTooMuch();
});

describe.each(['before', 'after'] as const)('a store that fails %s it has stored', (failing) => {
	test('of an append: nothing of it comes back', () => {
		const life = new Life(3);
		life.open();
		life.append(100);
		life.appendInVain(failing, 40, 40);
		life.append(40);
		life.appendInVain(failing, 8, 5000, 8);
		life.close();
		life.open();
		life.append(8);
	});

	test('of a truncation: nothing is lost, now or later', () => {
		const life = new Life(6);
		life.open();
		life.append(100, 100, 100);
		life.truncateInVain(failing, 2);
		life.append(40);
		life.truncateInVain(failing, 4);
		life.truncate(1);
		life.append(40);
		life.close();
		life.open();
	});

	test('of a checkpoint: the append has succeeded', () => {
		const life = new Life(7);
		life.open();
		life.appendWithoutCheckpoint(failing, 66_000);
		life.append(40);
		life.appendWithoutCheckpoint(failing, 66_000);
		life.close();
		life.open();
	});
});

test.each(Array.from({ length: 12 }, (_, seed) => seed))('random lives: seed %d', (seed) => {
	const random = new Random(seed);
	const life = new Life(seed);
	life.open();
	let records = 0;
	for (let step = 0; step < 25; step++) {
		const choice = random.below(10);
		if (choice < 6) {
			const lengths = Array.from({ length: 1 + random.below(3) }, () => random.pick([0, 7, 8, 48, 500, 4090, 4100]));
			life.append(...lengths);
			records += lengths.length;
		} else if (choice < 8 && records > 0) {
			const count = 1 + random.below(records);
			life.truncate(count);
			records -= count;
		} else if (choice === 8) {
			life.open();
		} else {
			life.close();
			life.open();
		}
	}
});

test('a medium that does not wait for its stores is found out', () => {
	class Hasty extends ShadowMedium {
		override drain(): void {
			this.onMoment();
		}
	}
	const life = new Life(4, new Hasty(Buffer.alloc(size)));
	expect(() => {
		life.open();
		life.append(100);
		life.append(100);
	}).toThrow();
});
