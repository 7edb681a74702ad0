// The operations of a player: it makes, changes, frees and looks at blocks, hands them to another player, misuses all
// of them, and asks the kind about itself. An operation returns whether there was something to do it with. It throws a
// Finding if something is wrong.
import { firstNotZero, firstWrong, paint } from './content.mjs';
import { misuse } from './misuse.mjs';

/**
 * Ranges of the sizes that a player asks for. They change from phase to phase, so that many small blocks come up, too.
 */
const spans = [
	[1, Number.POSITIVE_INFINITY],
	[1, 8 * 1024],
	[1, 256],
	[4 * 1024, 256 * 1024],
];

/** A player's habits for a while: how long its blocks are, and what part of its share of the kind it fills. */
export function newPhase(random) {
	const span = random.chance(0.5) ? spans[0] : random.pick(spans);
	return { span, fill: random.pick([0.5, 0.9, 0.9, 0.95, 1, 1.1]), left: random.logUniform(200, 20_000) };
}

const someSize = ({ random, phase: { span }, largest }) => random.logUniform(span[0], Math.min(span[1], largest));

/** The class of the longest elements that fill so many bytes exactly. */
const arrayClass = (size) =>
	[BigInt64Array, Float32Array, Uint16Array].find((type) => size % type.BYTES_PER_ELEMENT === 0) ?? Int8Array;

/** Makes an array of so many bytes by the method of that name. */
function makeArray(kind, method, size, options) {
	const type = arrayClass(size);
	return kind[method](type, size / type.BYTES_PER_ELEMENT, options);
}

/** The calls that allocate. Each has its weight, the form of what it makes, and the call. */
const ways = {
	malloc: [10, 'block', (kind, size) => kind.malloc(size)],
	tryMalloc: [5, 'block', (kind, size) => kind.tryMalloc(size)],
	calloc: [5, 'block', (kind, size) => kind.calloc(size % 8 === 0 ? 8 : 1, size % 8 === 0 ? size / 8 : size)],
	memalign: [5, 'block', (kind, size, alignment) => kind.memalign(alignment, size)],
	array: [3, 'array', (kind, size) => makeArray(kind, 'array', size)],
	tryArray: [2, 'array', (kind, size) => makeArray(kind, 'tryArray', size, { zero: true })],
	buffer: [2, 'collected', (kind, size) => kind.buffer(size)],
	mallocRaw: [4, 'raw', (kind, size) => kind.mallocRaw(size)],
	tryMallocRaw: [4, 'raw', (kind, size) => kind.tryMallocRaw(size)],
};

function allocate(player, form, call) {
	const { kind, random, operation } = player;
	// Sometimes the size is 0 bytes. Only blocks may have that.
	const size = form === 'block' && random.chance(0.005) ? 0 : someSize(player);
	const alignment = operation === 'memalign' ? 2 ** (3 + random.below(21)) : 16;
	const memory = player.attempt(size, () => call(kind, size, alignment));
	if (memory === undefined) return makeRoom(player);
	if (operation === 'calloc' || operation === 'tryArray') {
		const isZero = firstNotZero(player.memoryOf({ form, memory, size })) < 0;
		player.expect(isZero, `${operation} gave a byte that is not zero`);
	}
	if (size > 0) {
		player.keep(form, memory, size, alignment);
	} else {
		player.expect(memory.length === 0, 'a block of 0 bytes has a length');
		kind.free(memory);
	}
	return true;
}

/** Frees something after an allocation that failed, so that not all later ones fail, too. */
function makeRoom(player) {
	for (let i = player.random.below(3); i > 0; i--) free(player);
	// Blocks that were left to the garbage collector still take memory.
	if (player.random.chance(0.01)) player.gc();
	return true;
}

/** Gives a block another size. It has to keep its content. */
function realloc(player, sizeFrom) {
	const entry = player.choose('block', 'collected');
	if (entry === undefined) return false;
	const { kind } = player;
	const old = entry.memory;
	const size = sizeFrom(entry.size);
	player.verify(entry);
	const reference = entry.isReferenced ? kind.ref(old) : undefined;
	const memory = player.attempt(size, () => kind.realloc(old, size));
	if (memory === undefined) {
		// A call that failed must have changed nothing.
		player.verify(entry);
		return makeRoom(player);
	}
	player.drop(entry);
	const kept = Math.min(entry.size, size);
	const next = { ...entry, memory, size, alignment: memory === old ? entry.alignment : 16 };
	player.checkPlace(next);
	player.expectRight(next, firstWrong(memory, entry.id, 0, kept));
	paint(memory, entry.id, kept);
	if (reference !== undefined) next.isReferenced = isStillValid(player, next, reference);
	player.adopt(next);
	if (memory !== old) player.bury(old, next.isReferenced ? undefined : reference);
	return true;
}

/** Whether a reference is still valid: it is if the block could stay in its place. Otherwise it is stale. */
function isStillValid(player, entry, reference) {
	let same;
	try {
		same = player.kind.deref(reference);
	} catch (error) {
		if (error?.code !== 'ERR_DAXKIND_STALE_REFERENCE') throw error;
		return false;
	}
	player.verify({ ...entry, memory: same });
	return true;
}

function reallocUp(player) {
	const { random, largest } = player;
	return realloc(player, (had) => Math.min(largest, had + random.logUniform(1, Math.max(1, had * 2))));
}

function reallocDown(player) {
	return realloc(player, (had) => Math.max(1, had - player.random.logUniform(1, had)));
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

/** Frees a block after it has checked the content. */
export function release(player, entry, isWhole = false) {
	const { kind, random } = player;
	player.verify(entry, isWhole);
	const { form, memory } = entry;
	const reference = entry.isReferenced ? kind.ref(memory) : undefined;
	if (form === 'viewed' || (form === 'collected' && random.chance(0.5))) {
		// This was the last reference to the block and to all its views.
		entry.memory = undefined;
	} else if (form === 'raw') {
		kind.freeRaw(memory);
	} else {
		kind.free(memory);
		const isOwn = form === 'collected' || kind.debug;
		player.expect(!isOwn || memory.length === 0, 'a freed block with an ArrayBuffer of its own has a length', entry);
		// Some calls of the misuse take Buffers only, and say so first.
		if (form === 'array')
			player.expectCode('ERR_DAXKIND_DOUBLE_FREE', 'free of an array again', () => kind.free(memory));
		player.bury(form === 'array' ? undefined : memory, reference);
	}
	player.drop(entry);
}

function free(player) {
	const entry = player.choose();
	if (entry !== undefined) release(player, entry);
	return entry !== undefined;
}

/** From now on the player holds only a view of the block. The block must live as long as the view. */
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
	const { kind } = player;
	const old = entry.memory;
	player.verify(entry);
	const moved = kind.defragReallocate(old);
	if (moved !== undefined) {
		const isMovable = entry.size <= 8192 && !entry.isReferenced && !kind.debug;
		player.expect(isMovable, 'moved a block that must not move', entry);
		Object.assign(entry, { memory: moved, alignment: 16 });
		player.checkPlace(entry);
		player.bury(old);
	}
	player.verify(entry, true);
	return true;
}

/** Realloc up to the usable size must not move a block. */
function usableSize(player) {
	const { kind, largest } = player;
	const entry = player.choose('block');
	if (entry === undefined) return false;
	player.checkPlace(entry);
	const old = entry.memory;
	const size = kind.usableSize(old);
	// A block in debug mode always moves. A block that others refer to may move.
	if (kind.debug || entry.isReferenced || size === entry.size || size > largest) return true;
	const memory = kind.realloc(old, size);
	player.expect(memory.byteOffset === old.byteOffset, 'realloc up to the usable size moved a block', entry);
	player.drop(entry);
	paint(memory, entry.id, entry.size);
	player.adopt({ ...entry, memory, size });
	player.bury(old);
	return true;
}

function check(player) {
	const entry = player.choose();
	if (entry !== undefined) player.verify(entry, player.random.chance(0.1));
	return entry !== undefined;
}

/** Gives a block to another player, by a reference or by its handle. An array arrives as a Buffer. */
function handOver(player, form) {
	const entry = player.choose(form);
	if (entry === undefined || player.send === undefined) return false;
	const { id, size, alignment, madeBy, memory } = entry;
	player.verify(entry);
	const place = form === 'raw' ? memory : player.kind.ref(memory);
	player.drop(entry);
	player.count('sent');
	const arrives = form === 'raw' ? 'raw' : 'block';
	const sent = { id, size, alignment, madeBy, form: arrives, isReferenced: arrives === 'block' };
	player.send({ type: arrives, place, entry: sent });
	return true;
}

/** Sends the same block to two players, to free it. Only one of them can. */
function beginRace(player) {
	const entry = player.choose('block');
	if (entry === undefined || player.send === undefined) return false;
	player.verify(entry);
	const place = player.kind.ref(entry.memory);
	player.drop(entry);
	// Before it is sent: this thread may be terminated at any time, and a race without a beginning is a fault.
	player.count('sent');
	player.count('race begun');
	player.send({ type: 'race', place });
	return true;
}

/** Takes what another player has sent. */
export function receive(player, { type, place, entry }) {
	player.operation = `${type} taken over`;
	if (type === 'race') return race(player, place);
	const taken = { ...entry, memory: type === 'raw' ? place : player.kind.deref(place) };
	player.count('received');
	player.checkPlace(taken);
	player.adopt(taken);
	player.verify(taken, true);
}

function race(player, reference) {
	const { kind } = player;
	try {
		// Its content is not checked: the other player may have freed it, and it may be somebody else's block already.
		kind.free(kind.deref(reference));
	} catch (error) {
		if (error?.code !== 'ERR_DAXKIND_STALE_REFERENCE' && error?.code !== 'ERR_DAXKIND_DOUBLE_FREE') throw error;
		player.count('race lost');
		player.bury(undefined, reference);
		return;
	}
	player.count('race won');
	player.count('received');
}

/** Makes two Buffers of one block. When one of them is freed, the other and the reference have to be refused. */
function goStale(player) {
	const entry = player.choose('block');
	if (entry === undefined) return false;
	const { kind, random } = player;
	player.verify(entry);
	const reference = kind.ref(entry.memory);
	const twin = kind.deref(structuredClone(reference));
	player.verify({ ...entry, memory: twin });
	const [freed, other] = random.chance(0.5) ? [entry.memory, twin] : [twin, entry.memory];
	kind.free(freed);
	player.drop(entry);
	player.expectCode('ERR_DAXKIND_STALE_REFERENCE', 'deref after free', () => kind.deref(reference));
	player.expectCode('ERR_DAXKIND_DOUBLE_FREE', 'free by the other Buffer', () => kind.free(other));
	player.bury(other, reference);
	return true;
}

/** Checks what always holds, whatever other threads do. */
function stats(player) {
	const stats = player.kind.stats();
	const { capacity, committed, active, allocated, blocks, cached, free, largestFree, highWater } = stats;
	const isSound =
		Object.values(stats).every((value) => Number.isSafeInteger(value) && value >= 0) &&
		capacity === player.kind.capacity &&
		free + active === capacity &&
		largestFree <= free &&
		Math.max(committed, highWater, cached, blocks * 8) <= capacity &&
		allocated <= highWater;
	player.expect(isSound, 'the statistics contradict themselves', undefined, { stats });
	const { classes, large } = player.kind.sizeClasses();
	const areSound = classes.every(({ size, blocks, bytes }) => bytes === size * blocks);
	player.expect(areSound && large.bytes >= large.blocks * 1024, 'the size classes contradict themselves');
	return true;
}

function purge(player) {
	const bytes = player.kind.purge();
	// Other threads may free memory, and commit it again, meanwhile.
	player.expect(bytes >= 0 && bytes <= 2 * player.kind.capacity, 'purge gave a strange number', undefined, { bytes });
	return true;
}

/** Begins a purge that goes on while the player does other things. There is one at a time. */
function purgeAsync(player) {
	if (player.pending !== undefined) return false;
	const { kind, random } = player;
	const controller = new AbortController();
	if (random.chance(0.3)) setTimeout(() => controller.abort(), random.below(5));
	const done = (bytes) => player.expect(bytes >= 0, 'purgeAsync gave a strange number', undefined, { bytes });
	const failed = (error) => {
		if (error !== controller.signal.reason) throw error;
	};
	player.pending = player.watch(kind.purgeAsync({ signal: controller.signal }).then(done, failed)).then(() => {
		player.pending = undefined;
	});
	return true;
}

/** Each entry has the name, the weight in its group, and the operation. */
export const making = [
	...Object.entries(ways).map(([name, [weight, form, call]]) => [
		name,
		weight,
		(player) => allocate(player, form, call),
	]),
	['realloc up', 6, reallocUp],
];
export const freeing = [
	['free', 30, free],
	['realloc down', 6, reallocDown],
	['realloc to 0', 1, reallocToNothing],
];
export const others = [
	['defragReallocate', 40, defragReallocate],
	['usableSize', 22, usableSize],
	['check', 44, check],
	['hold by a view', 9, hold],
	['hand over', 13, (player) => handOver(player, 'block')],
	['hand over an array', 7, (player) => handOver(player, 'array')],
	['hand over a handle', 13, (player) => handOver(player, 'raw')],
	['race', 7, beginRace],
	['stale reference', 7, goStale],
	['misuse', 10, misuse],
	['stats', 5, stats],
	['purge', 0.5, purge],
	['purgeAsync', 0.5, purgeAsync],
];

const weightOf = (group) => group.reduce((sum, [, weight]) => sum + weight, 0);
const groups = new Map([making, freeing, others].map((group) => [group, weightOf(group)]));

/** Does one random operation, by the player's habits. Returns its name if there was something to do it with. */
export function operate(player, hasRoom, begin = () => {}) {
	const { random } = player;
	if (--player.phase.left < 0) player.phase = newPhase(random);
	const usual = random.chance(hasRoom ? 0.62 : 0.3) ? making : freeing;
	const group = random.chance(0.17) ? others : usual;
	let at = (random.next() / 2 ** 32) * groups.get(group);
	const [name, , run] = group.find(([, weight]) => {
		at -= weight;
		return at < 0;
	});
	player.operation = name;
	begin(name);
	return run(player) ? name : undefined;
}
