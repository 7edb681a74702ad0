// What one thread holds of a kind, and how it checks it: what every block should contain, and whether it does. The
// operations are in operations.mjs. The stress run and the other random tests use players.
import { Kind } from 'daxkind';
import { contentOf, firstWrong, longest, paint, sampleWrong } from './content.mjs';

/** Something that is wrong. `report` has what is known about it. */
class Finding extends Error {
	name = 'Finding';

	constructor(what, report) {
		super(`${what}: ${JSON.stringify(report)}`);
		Object.assign(this, { what, report });
	}
}

/** The most Buffers and references that are kept for misuse after their blocks were freed. */
const mostFreed = 64;

export class Player {
	kind;
	random;
	/** Its habits for now; see newPhase. */
	phase;
	/**
	 * `form` is block, array (a typed array), collected (the garbage collector frees it), viewed (collected, and only a
	 * view is held) or raw. `memory` is the Buffer, the array, or the raw handle.
	 */
	held = [];
	/** Bytes of all that is held. */
	bytes = 0;
	freed = [];
	staleReferences = [];
	/** A purgeAsync that still runs. */
	pending;
	/** The name of the call that runs now, for reports. */
	operation = '';

	/** The longest block to ask for. */
	largest = longest;
	/** A kind of this player alone, for misuse. */
	otherKind;
	/** The address at which the kind's memory begins, if it is known. */
	base;
	/** Sends a block to another player, which takes it with receive(). */
	send;
	/** The identity of the next block. No two players that share a kind use the same one. */
	nextId = 1;

	/**
	 * @param given `kind`, `random` and `phase`. It may also have other fields, and replace the methods `count` and
	 * `watch`.
	 */
	constructor(given) {
		Object.assign(this, given);
	}

	/** Counts something that happens. Does nothing by default. */
	count(_name, _by = 1) {}

	/** Gets each promise that nobody awaits yet. Returns it unchanged by default. */
	watch(promise) {
		return promise;
	}

	gc() {}

	/** Fails with all that is known about a block. */
	fail(what, { memory, ...entry } = {}, more = {}) {
		const place = typeof memory === 'number' ? memory : memory?.byteOffset;
		throw new Finding(what, { operation: this.operation, ...more, block: { ...entry, place } });
	}

	expect(isSo, what, entry, more) {
		if (!isSo) this.fail(what, entry, more);
	}

	/** Misuse: the call has to throw an error with this code. */
	expectCode(code, what, call) {
		let found = 'nothing thrown';
		try {
			call();
		} catch (error) {
			found = error?.code ?? String(error);
		}
		this.expect(found === code, `${what}: expected ${code}`, undefined, { found });
	}

	/** Makes a call that may find no memory. If it does not, checks the error and returns undefined. */
	attempt(requested, call) {
		let result;
		try {
			result = call();
		} catch (error) {
			if (error?.code !== 'ERR_DAXKIND_OUT_OF_MEMORY') throw error;
			const { capacity, allocated, reason } = error;
			const isSound =
				error.requested === requested &&
				capacity === this.kind.capacity &&
				allocated >= 0 &&
				allocated <= capacity &&
				['limit', 'fragmented', 'file-system-full'].includes(reason);
			this.expect(isSound, 'an OutOfMemoryError has wrong fields', undefined, { error: { ...error }, requested });
		}
		if (!result) this.count('out of memory');
		return result || undefined;
	}

	/** Fills a new block and keeps it. */
	keep(form, memory, size, alignment) {
		const entry = { form, memory, size, alignment, id: this.nextId++, isReferenced: false, madeBy: this.operation };
		this.checkPlace(entry);
		paint(this.memoryOf(entry), entry.id);
		this.adopt(entry);
	}

	/** Keeps a block that is filled already. */
	adopt(entry) {
		entry.at = this.held.push(entry) - 1;
		this.#book(entry, 1);
	}

	/** Stops keeping an entry. */
	drop(entry) {
		const last = this.held.pop();
		if (last !== entry) {
			this.held[entry.at] = last;
			last.at = entry.at;
		}
		this.#book(entry, -1);
	}

	#book({ form, isReferenced, size }, by) {
		this.bytes += by * size;
		if (form === 'block' || form === 'array' || form === 'raw') this.count('live', by);
		if (form === 'raw' || (form === 'block' && isReferenced)) this.count('shared', by);
	}

	/**
	 * Some block that is held and has one of the forms. Undefined if the few blocks that were looked at have others.
	 */
	choose(...forms) {
		for (let tries = 0; tries < 8 && this.held.length > 0; tries++) {
			const entry = this.random.pick(this.held);
			if (forms.length === 0 || forms.includes(entry.form)) return entry;
		}
		return undefined;
	}

	memoryOf({ form, memory, size }) {
		if (form === 'array') return Buffer.from(memory.buffer, memory.byteOffset, memory.byteLength);
		return form === 'raw' ? this.kind.view(memory, size) : memory;
	}

	/** Fails if the block does not contain what it should. */
	verify(entry, isWhole = false) {
		const memory = this.memoryOf(entry);
		this.expect(memory.length === entry.size, 'a block has the wrong length', entry, { length: memory.length });
		this.count('checked');
		this.expectRight(entry, isWhole ? firstWrong(memory, entry.id) : sampleWrong(memory, entry.id, this.random));
	}

	/** Fails if `at` is the offset of a wrong byte of the block. */
	expectRight(entry, at) {
		if (at < 0) return;
		const { id, size } = entry;
		const memory = this.memoryOf(entry);
		const expected = contentOf(id, 0, size);
		const wrong = memory.reduce((sum, byte, i) => sum + Number(byte !== expected[i]), 0);
		const [is, shouldBe] = [memory, expected].map((bytes) => bytes.toString('hex', at, at + 16));
		this.fail('a wrong byte', entry, {
			at,
			'found from there': is,
			'expected from there': shouldBe,
			'wrong bytes': wrong,
		});
	}

	/** Checks that the memory has the right length and is in the right place. */
	checkPlace(entry) {
		const { form, memory, size, alignment } = entry;
		const { kind } = this;
		if (form === 'raw') {
			this.expect(Number.isSafeInteger(memory) && memory > 0, 'a raw handle is not a positive safe integer', entry);
			this.expect(kind.view(memory).length >= size, 'a raw block is too short', entry);
			return;
		}
		this.expect(memory.byteLength === size, 'a block has the wrong length', entry, { length: memory.byteLength });
		if (form === 'viewed') return;
		this.expect(Kind.of(memory) === kind, 'Kind.of does not know a block', entry);
		this.expect(kind.usableSize(memory) >= size, 'the usable size is too small', entry);
		// Blocks with an ArrayBuffer of their own do not tell their place.
		if (form === 'collected' || kind.debug) return;
		const { byteOffset } = memory;
		this.expect(byteOffset + size <= kind.capacity, 'a block ends beyond its kind', entry);
		// Segments are 1 GiB long, and begin at a multiple of 2 MiB.
		const isKnown = this.base !== undefined;
		const rest = isKnown ? (this.base + byteOffset) % alignment : byteOffset % Math.min(alignment, 2 ** 21);
		this.expect(rest === 0, 'a block is not aligned', entry);
	}

	/** Keeps what is left of a freed block for misuse: its Buffer, and a reference. */
	bury(memory, reference) {
		const put = (list, value) => {
			if (value !== undefined) list[list.length < mostFreed ? list.length : this.random.below(mostFreed)] = value;
		};
		put(this.freed, memory);
		put(this.staleReferences, reference);
	}
}
