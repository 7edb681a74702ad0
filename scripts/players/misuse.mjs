// Misuse: calls that have to throw an error with a given code, and may change nothing. On the shared kind, the contents
// of all blocks show a change. On the player's own kind, the statistics have to stay the same.
import { Kind } from 'daxkind';

const notABlock = 'ERR_DAXKIND_NOT_A_BLOCK';
const doubleFree = 'ERR_DAXKIND_DOUBLE_FREE';
const wrongKind = 'ERR_DAXKIND_WRONG_KIND';
const stale = 'ERR_DAXKIND_STALE_REFERENCE';
const type = 'ERR_INVALID_ARG_TYPE';
const range = 'ERR_OUT_OF_RANGE';
const noMemory = 'ERR_DAXKIND_OUT_OF_MEMORY';

/** Each entry has the code, a description and the call. The last item names what the scene must have for the call. */
const misuses = [
	[range, 'malloc(-1)', ({ kind }) => kind.malloc(-1)],
	[range, 'malloc(1.5)', ({ kind }) => kind.malloc(1.5)],
	[range, 'malloc(NaN)', ({ kind }) => kind.malloc(Number.NaN)],
	[type, "malloc('1')", ({ kind }) => kind.malloc('1')],
	[type, 'tryMalloc()', ({ kind }) => kind.tryMalloc()],
	[type, 'mallocRaw(1n)', ({ kind }) => kind.mallocRaw(1n)],
	[noMemory, 'malloc of more than the kind has', ({ kind }) => kind.malloc(kind.capacity + 1)],
	[noMemory, 'mallocRaw of more than the kind has', ({ kind }) => kind.mallocRaw(kind.capacity + 1)],
	[noMemory, 'buffer of more than the kind has', ({ kind }) => kind.buffer(kind.capacity + 1)],
	[noMemory, 'calloc of a product that is too large for a size', ({ kind }) => kind.calloc(2 ** 40, 2 ** 40)],
	[range, 'memalign(24, 1)', ({ kind }) => kind.memalign(24, 1)],
	[range, 'memalign(4, 1)', ({ kind }) => kind.memalign(4, 1)],
	[type, 'free(1)', ({ kind }) => kind.free(1)],
	[type, 'free({})', ({ kind }) => kind.free({})],
	[notABlock, 'free of a Buffer from elsewhere', ({ kind }) => kind.free(Buffer.alloc(16))],
	[notABlock, 'freeRaw of half a handle', ({ kind }) => kind.freeRaw(0.5)],
	[notABlock, 'freeRaw(-1)', ({ kind }) => kind.freeRaw(-1)],
	[notABlock, 'freeRaw of a small number', ({ kind, random }) => kind.freeRaw(1 + random.below(2 ** 31))],
	[type, "freeRaw('1')", ({ kind }) => kind.freeRaw('1')],
	[type, 'deref({})', ({ kind }) => kind.deref({})],
	[type, 'Kind.attach({})', () => Kind.attach({})],
	[
		'ERR_DAXKIND_KIND_GONE',
		'attach to a kind that does not exist',
		({ kind }) => Kind.attach({ ...kind.share(), number: 2 ** 31 }),
	],
	[notABlock, 'free of a part', ({ kind, block }) => kind.free(block.subarray(block.length >> 1)), 'block'],
	[notABlock, 'realloc of a part', ({ kind, block }) => kind.realloc(block.subarray(0), 10), 'block'],
	[notABlock, 'usableSize of a part', ({ kind, block }) => kind.usableSize(block.subarray(0)), 'block'],
	[noMemory, 'realloc to too much', ({ kind, block }) => kind.realloc(block, kind.capacity * 2), 'block'],
	[range, 'realloc to -1', ({ kind, block }) => kind.realloc(block, -1), 'block'],
	[wrongKind, 'free in another kind', ({ other, block }) => other.free(block), 'block'],
	[wrongKind, 'realloc in another kind', ({ other, block }) => other.realloc(block, 1), 'block'],
	[wrongKind, 'ref in another kind', ({ other, block }) => other.ref(block), 'block'],
	[wrongKind, 'deref in another kind', ({ other, stale }) => other.deref(stale), 'stale'],
	[doubleFree, 'free again', ({ kind, freed }) => kind.free(freed), 'freed'],
	[doubleFree, 'realloc after free', ({ kind, freed }) => kind.realloc(freed, 10), 'freed'],
	[doubleFree, 'usableSize after free', ({ kind, freed }) => kind.usableSize(freed), 'freed'],
	[doubleFree, 'ref after free', ({ kind, freed }) => kind.ref(freed), 'freed'],
	[doubleFree, 'defragReallocate after free', ({ kind, freed }) => kind.defragReallocate(freed), 'freed'],
	[stale, 'deref after free', ({ kind, stale }) => kind.deref(stale), 'stale'],
	[range, 'view beyond the usable size', ({ kind, raw }) => kind.view(raw, kind.view(raw).length + 1), 'raw'],
	[wrongKind, 'freeRaw in another kind', ({ other, raw }) => other.freeRaw(raw), 'raw'],
	// This number is smaller than any handle.
	[
		notABlock,
		'freeRaw of a number that no call returned',
		({ kind, large }) => kind.freeRaw((large % 2 ** 39) + 1),
		'large',
	],
];

/** A scene on the shared kind, made of what the player happens to hold. */
function sharedScene(player) {
	const { random, freed, staleReferences } = player;
	const raw = player.choose('raw');
	return {
		kind: player.kind,
		other: player.otherKind,
		entry: player.choose('block'),
		raw: raw?.memory,
		large: raw?.size > 16 * 1024 ? raw.memory : undefined,
		freed: random.pick(freed),
		stale: random.pick(staleReferences),
	};
}

/**
 * A scene on the player's other kind, with blocks made for it. In debug mode the kind does not recognise a freed handle.
 */
function otherScene(player) {
	const { otherKind, kind, random } = player;
	const entry = { form: 'block', memory: otherKind.malloc(random.logUniform(1, 100_000)) };
	const freed = otherKind.malloc(100);
	const stale = otherKind.ref(freed);
	otherKind.free(freed);
	const raw = otherKind.mallocRaw(random.logUniform(1, 100_000));
	const freedRaw = otherKind.mallocRaw(100);
	otherKind.freeRaw(freedRaw);
	if (!otherKind.debug) player.expectCode(doubleFree, 'freeRaw again', () => otherKind.freeRaw(freedRaw));
	return { kind: otherKind, other: kind, entry, raw, freed, stale };
}

/** The statistics that may not change. In debug mode they are fewer, because a failed malloc empties the quarantine. */
function booksOf(kind) {
	const { blocks, allocated, free, active } = kind.stats();
	return JSON.stringify(kind.debug ? { blocks, allocated } : { blocks, allocated, free, active });
}

export function misuse(player) {
	const { otherKind, random } = player;
	const isOther = otherKind !== undefined && random.chance(0.3);
	const scene = isOther ? otherScene(player) : sharedScene(player);
	Object.assign(scene, { random, block: scene.entry?.memory });
	const before = isOther ? booksOf(otherKind) : '';
	for (let i = 0; i < 5; i++) {
		const [code, what, call, needs] = random.pick(misuses);
		const isThere = (needs === undefined || scene[needs] !== undefined) && (code !== wrongKind || scene.other);
		if (!isThere) continue;
		player.operation = `misuse: ${what}`;
		player.expectCode(code, what, () => call(scene));
		if (!isOther && scene.entry !== undefined) player.verify(scene.entry);
	}
	if (!isOther) return true;
	const after = booksOf(otherKind);
	player.expect(before === after, 'misuse changed the statistics', undefined, { before, after });
	otherKind.free(scene.block);
	otherKind.freeRaw(scene.raw);
	player.expect(otherKind.stats().blocks === 0, 'the other kind of this player still holds blocks');
	return true;
}
