// The operations that make, change and free blocks. Each is done by a Player, which knows what is held, and returns
// whether it could be done.
import { firstNotZero, firstWrong, paint } from './content.mjs';

const largest = 8 * 2 ** 20;

/** What sizes a worker asks for: it changes from phase to phase, so that small blocks come in numbers, too. */
const spans = [
	[1, largest],
	[1, largest],
	[1, largest],
	[1, 8 * 1024],
	[1, 256],
	[4 * 1024, 256 * 1024],
];

/** A worker's habits for a while: how long its blocks are, and how many bytes of its share of the kind it holds. */
export function newPhase(random) {
	return {
		span: random.pick(spans),
		fill: random.pick([0.5, 0.9, 0.9, 0.95, 1, 1.1]),
		left: random.logUniform(200, 20_000),
	};
}

function someSize({ random, phase }) {
	return random.logUniform(...phase.span);
}

/** Makes room after an allocation that failed, so that what fails is not always the same. */
function relent(player) {
	for (let i = player.random.below(3); i > 0; i--) free(player);
	// What was left to the collector is still taken.
	if (player.random.chance(0.01)) player.gc();
}

function allocate(player, form, size, alignment, call) {
	const memory = player.attempt(size, call);
	if (memory === undefined) relent(player);
	else player.keep(form, memory, size, alignment);
	return true;
}

function malloc(player) {
	const size = someSize(player);
	return allocate(player, 'block', size, 16, () => player.kind.malloc(size));
}

function tryMalloc(player) {
	const size = someSize(player);
	return allocate(player, 'block', size, 16, () => player.kind.tryMalloc(size));
}

function calloc(player) {
	const { kind, random } = player;
	const count = random.logUniform(1, 1000);
	const size = Math.ceil(someSize(player) / count);
	return allocate(player, 'block', count * size, 16, () => {
		const block = kind.calloc(count, size);
		const at = firstNotZero(block);
		if (at >= 0)
			player.fail('calloc gave a byte that is not zero', undefined, { at, found: block[at], size: count * size });
		return block;
	});
}

function memalign(player) {
	const alignment = 2 ** (3 + player.random.below(21));
	const size = someSize(player);
	return allocate(player, 'block', size, alignment, () => player.kind.memalign(alignment, size));
}

function buffer(player) {
	const size = someSize(player);
	return allocate(player, 'collected', size, 1, () => player.kind.buffer(size));
}

function mallocRaw(player) {
	const { kind, random } = player;
	const size = someSize(player);
	return allocate(player, 'raw', size, 16, () => (random.chance(0.5) ? kind.mallocRaw(size) : kind.tryMallocRaw(size)));
}

/** Gives a block another size; its content has to come along. */
function realloc(player, size) {
	const entry = player.choose('block', 'collected');
	if (entry === undefined) return false;
	const { kind, random, tally } = player;
	const had = entry.size;
	const wanted = size(had, random);
	tally.add(wanted > had ? 'realloc up' : 'realloc down');
	player.verify(entry);
	const reference = entry.isReferenced ? kind.ref(entry.memory) : undefined;
	const memory = player.attempt(wanted, () => kind.realloc(entry.memory, wanted));
	if (memory === undefined) {
		// What failed has changed nothing.
		player.verify(entry);
		relent(player);
		return true;
	}
	const old = entry.memory;
	player.drop(entry);
	const kept = Math.min(had, wanted);
	const next = { ...entry, memory, size: wanted, alignment: memory === old ? entry.alignment : 16 };
	player.checkPlace(next);
	const wrong = firstWrong(memory, entry.id, 0, kept);
	if (wrong >= 0) player.failAt(next, memory.subarray(0, kept), wrong);
	paint(memory, entry.id, kept);
	if (reference !== undefined) next.isReferenced = isStillValid(player, next, reference);
	player.adopt(next);
	if (memory !== old) player.bury(old, next.isReferenced ? undefined : reference);
	return true;
}

/** A reference goes on if the block could stay where it was; else it is stale. */
function isStillValid(player, entry, reference) {
	let same;
	try {
		same = player.kind.deref(reference);
	} catch (error) {
		if (error?.code !== 'ERR_DAXKIND_STALE_REFERENCE') throw error;
		return false;
	}
	player.expect(same.length === entry.size, 'a reference has the length of before realloc', entry);
	player.verify({ ...entry, memory: same });
	return true;
}

function reallocUp(player) {
	return realloc(player, (had, random) => Math.min(largest, had + random.logUniform(1, Math.max(1, had * 2))));
}

function reallocDown(player) {
	return realloc(player, (had, random) => Math.max(1, had - random.logUniform(1, had)));
}

function reallocToNothing(player) {
	const entry = player.choose('block');
	if (entry === undefined) return false;
	player.verify(entry);
	player.drop(entry);
	const empty = player.kind.realloc(entry.memory, 0);
	player.expect(empty.length === 0, 'realloc to 0 gave a block that is not empty', entry);
	player.kind.free(empty);
	player.bury(entry.memory);
	return true;
}

/** Frees a block after a look at its content. */
export function release(player, entry, isWhole = false) {
	const { kind, random, tally } = player;
	player.verify(entry, isWhole);
	const { form, memory, isReferenced } = entry;
	if (form === 'viewed' || (form === 'collected' && random.chance(0.5))) {
		// The last reference to it, and to all views.
		player.drop(entry);
		entry.memory = undefined;
		tally.add('left to the collector');
		return;
	}
	const reference = isReferenced ? kind.ref(memory) : undefined;
	if (form === 'raw') {
		kind.freeRaw(memory);
		player.drop(entry);
		tally.add('freeRaw');
		return;
	}
	kind.free(memory);
	player.drop(entry);
	tally.add('free');
	if (form === 'collected' || player.isDebugging) {
		player.expect(memory.length === 0, 'a freed block with an ArrayBuffer of its own still has a length', entry);
	}
	player.bury(memory, reference);
}

function free(player) {
	const entry = player.choose();
	if (entry === undefined) return false;
	release(player, entry);
	return true;
}

/** From now on only a view of it is held: the block lives as long as that. */
function hold(player) {
	const entry = player.choose('collected');
	if (entry === undefined) return false;
	entry.form = 'viewed';
	entry.memory = entry.memory.subarray(0);
	return true;
}

function defragReallocate(player) {
	const entry = player.choose('block');
	if (entry === undefined) return false;
	player.verify(entry);
	const { memory: old, size } = entry;
	const moved = player.kind.defragReallocate(old);
	if (moved === undefined) {
		player.verify(entry);
		return true;
	}
	player.expect(size <= 8192 && !entry.isReferenced && !player.isDebugging, 'moved what is not to be moved', entry);
	player.tally.add('moved by it');
	entry.memory = moved;
	entry.alignment = 16;
	player.checkPlace(entry);
	player.verify(entry, true);
	player.bury(old);
	return true;
}

function usableSize(player) {
	const entry = player.choose('block');
	if (entry === undefined) return false;
	player.checkPlace(entry);
	// Up to there realloc does not move it; a block of debug mode always moves.
	if (player.isDebugging || entry.isReferenced) return true;
	const usable = player.kind.usableSize(entry.memory);
	if (usable === entry.size || usable > largest) return true;
	const old = entry.memory;
	const memory = player.kind.realloc(old, usable);
	player.expect(memory.byteOffset === old.byteOffset, 'realloc up to the usable size moved a block', entry);
	player.drop(entry);
	paint(memory, entry.id, entry.size);
	player.adopt({ ...entry, memory, size: usable });
	player.bury(old);
	return true;
}

function check(player) {
	const entry = player.choose();
	if (entry !== undefined) player.verify(entry, player.random.chance(0.1));
	return entry !== undefined;
}

/** Name, how often among those that make, or that free; `counts: false`: it counts by itself. */
export const making = [
	{ name: 'malloc', weight: 10, run: malloc },
	{ name: 'tryMalloc', weight: 5, run: tryMalloc },
	{ name: 'calloc', weight: 5, run: calloc },
	{ name: 'memalign', weight: 5, run: memalign },
	{ name: 'buffer', weight: 2, run: buffer },
	{ name: 'mallocRaw', weight: 8, run: mallocRaw },
	{ name: 'realloc up', weight: 6, run: reallocUp, counts: false },
];

export const freeing = [
	{ name: 'free', weight: 30, run: free, counts: false },
	{ name: 'realloc down', weight: 6, run: reallocDown, counts: false },
	{ name: 'realloc to 0', weight: 1, run: reallocToNothing },
];

export const looking = [
	{ name: 'defragReallocate', weight: 20, run: defragReallocate },
	{ name: 'usableSize', weight: 10, run: usableSize },
	{ name: 'check', weight: 20, run: check },
	{ name: 'left to the collector', weight: 4, run: hold, counts: false },
];
