// What one thread holds of a kind, and how it looks after it: what every block contains, and whether it still does. The
// operations (operations.mjs) are a player's; the stress run and the other random tests have players do them.
import { Kind } from 'daxkind';
import { contentOf, firstWrong, longest, paint, sampleWrong } from './content.mjs';

/** Something that must not be. `report` says what is known about it. */
class Finding extends Error {
	name = 'Finding';

	constructor(what, report) {
		super(`${what}: ${JSON.stringify(report)}`);
		Object.assign(this, { what, report });
	}
}

/** Buffers and references that are kept after their blocks were freed, for misuse. */
const mostFreed = 64;

export class Player {
	kind;
	random;
	/** Its habits for now, see newPhase. */
	phase;
	/**
	 * `form` is block, collected (freed by the garbage collector), viewed (the same, of which only a view is held) or raw;
	 * `memory` is the Buffer, or the raw handle.
	 */
	held = [];
	/** Bytes of all that is held. */
	bytes = 0;
	freed = [];
	staleReferences = [];
	/** A purgeAsync that still runs. */
	pending;
	/** Of the call that runs now, for reports. */
	operation = '';

	/** The longest block to ask for. */
	largest = longest;
	/** Another kind, for misuse. */
	own;
	/** Where the kind's memory begins in the address space, if that is known. */
	base;
	/** Takes a block to another player, which has it by receive(). */
	send;
	/** The identity of the next block: no two players that share a kind have the same. */
	nextId = 1;

	/** @param given `kind`, `random` and `phase`, and of the other fields and the first methods what is not as it is here. */
	constructor(given) {
		Object.assign(this, given);
	}

	/** Told what happens, and how often. */
	count(_name, _by = 1) {}

	/** Told of promises that nobody waits for yet. */
	watch(promise) {
		return promise;
	}

	gc() {}

	/** Fails with everything that is known about a block. */
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

	/** Makes a call that may find no memory, and checks how it says so. Gives undefined then. */
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
			this.expect(isSound, 'an OutOfMemoryError says something wrong', undefined, { error: { ...error }, requested });
		}
		if (!result) this.count('out of memory');
		return result || undefined;
	}

	/** A new block: fills it and keeps it. */
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

	/** Keeps an entry no longer. */
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
		if (form === 'block' || form === 'raw') this.count('live', by);
		if (form === 'raw' || (form === 'block' && isReferenced)) this.count('shared', by);
	}

	/** Some block that is held, of one of the forms; undefined if the few that were looked at are of others. */
	choose(...forms) {
		for (let tries = 0; tries < 8 && this.held.length > 0; tries++) {
			const entry = this.random.pick(this.held);
			if (forms.length === 0 || forms.includes(entry.form)) return entry;
		}
		return undefined;
	}

	memoryOf({ form, memory, size }) {
		return form === 'raw' ? this.kind.view(memory, size) : memory;
	}

	/** Fails if the block does not contain what it should. */
	verify(entry, isWhole = false) {
		const memory = this.memoryOf(entry);
		this.expect(memory.length === entry.size, 'a block has the wrong length', entry, { length: memory.length });
		this.count('checked');
		this.expectRight(entry, isWhole ? firstWrong(memory, entry.id) : sampleWrong(memory, entry.id, this.random));
	}

	/** Fails if some byte, at an offset of the block, is wrong. */
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

	/** The memory is as long as it should be, and where it should be. */
	checkPlace(entry) {
		const { form, memory, size, alignment } = entry;
		const { kind } = this;
		if (form === 'raw') {
			this.expect(Number.isSafeInteger(memory) && memory > 0, 'a raw handle is no positive safe integer', entry);
			this.expect(kind.view(memory).length >= size, 'a raw block is too short', entry);
			return;
		}
		this.expect(memory.length === size, 'a block has the wrong length', entry, { length: memory.length });
		if (form === 'viewed') return;
		this.expect(Kind.of(memory) === kind, 'Kind.of does not know a block', entry);
		this.expect(kind.usableSize(memory) >= size, 'the usable size is too small', entry);
		// Blocks with an ArrayBuffer of their own do not say where they are.
		if (form === 'collected' || kind.debug) return;
		const { byteOffset } = memory;
		this.expect(byteOffset + size <= kind.capacity, 'a block ends behind its kind', entry);
		// Segments are 1 GiB long, and begin at a multiple of 2 MiB.
		const isKnown = this.base !== undefined;
		const rest = isKnown ? (this.base + byteOffset) % alignment : byteOffset % Math.min(alignment, 2 ** 21);
		this.expect(rest === 0, 'a block is not aligned', entry);
	}

	/** Keeps what is left of a block that was freed, for misuse: its Buffer, and a reference. */
	bury(memory, reference) {
		const put = (list, value) => {
			if (value !== undefined) list[list.length < mostFreed ? list.length : this.random.below(mostFreed)] = value;
		};
		put(this.freed, memory);
		put(this.staleReferences, reference);
	}
}
