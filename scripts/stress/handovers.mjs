// The operations between workers: blocks change hands by reference or raw handle, several workers race to free one, and
// what has been freed is refused. Messages go by the supervisor, who knows which workers there are.

/** What the receiver needs of a block to look after it. */
const identity = ({ id, size, alignment, madeBy }) => ({ id, size, alignment, madeBy });

function handOver(player) {
	const entry = player.choose('block');
	if (entry === undefined) return false;
	const { memory } = entry;
	player.verify(entry);
	const reference = player.kind.ref(memory);
	player.expect(reference.length === entry.size, 'a reference has the wrong length', entry, { reference });
	player.drop(entry);
	player.tally.add('sent');
	player.send({ type: 'block', reference, ...identity(entry) });
	return true;
}

export function takeOver(player, { reference, type: _, ...entry }) {
	player.operation = 'deref and take over';
	const memory = player.kind.deref(reference);
	const taken = { ...entry, form: 'block', memory, isReferenced: true };
	player.tally.add('received');
	player.tally.add(player.operation);
	player.checkPlace(taken);
	player.adopt(taken);
	player.verify(taken, true);
}

function handOverRaw(player) {
	const entry = player.choose('raw');
	if (entry === undefined) return false;
	player.verify(entry);
	player.drop(entry);
	player.tally.add('sent');
	player.send({ type: 'raw', handle: entry.memory, ...identity(entry) });
	return true;
}

export function takeOverRaw(player, { handle, type: _, ...entry }) {
	player.operation = 'raw taken over';
	const taken = { ...entry, form: 'raw', memory: handle, isReferenced: false };
	player.tally.add('received');
	player.tally.add(player.operation);
	player.checkPlace(taken);
	player.adopt(taken);
	player.verify(taken, true);
}

/** Two workers are sent the same block, to free it: one of them can. */
function beginRace(player) {
	const entry = player.choose('block');
	if (entry === undefined) return false;
	player.verify(entry);
	const reference = player.kind.ref(entry.memory);
	player.drop(entry);
	player.tally.add('sent');
	player.tally.add('race begun');
	player.send({ type: 'race', reference });
	return true;
}

export function race(player, { reference }) {
	player.operation = 'race';
	const { kind, tally } = player;
	try {
		// Its content is the other's business: it may be free, and somebody's again, before it is looked at.
		kind.free(kind.deref(reference));
	} catch (error) {
		if (error?.code !== 'ERR_DAXKIND_STALE_REFERENCE' && error?.code !== 'ERR_DAXKIND_DOUBLE_FREE') throw error;
		tally.add('race lost');
		player.bury(undefined, reference);
		return;
	}
	tally.add('race won');
	tally.add('received');
}

/** Two Buffers of one block: when it is freed by one, the other and the reference are refused. */
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

export const handing = [
	{ name: 'ref and hand over', weight: 10, run: handOver },
	{ name: 'raw handed over', weight: 10, run: handOverRaw },
	{ name: 'race begun', weight: 5, run: beginRace, counts: false },
	{ name: 'stale reference', weight: 5, run: goStale },
];
