// The floor under a pair of malloc and free: the time in which V8 makes the view alone. It is measured in turns with
// the pair, in one process, because processes of the same program differ by a third.
import { constants, PerformanceObserver } from 'node:perf_hooks';
import { PmemKind } from 'daxkind';
import { median } from '../statistics.mjs';
import { measure } from './clock.mjs';
import { warmUp } from './timing.mjs';

/** Operations of one turn, which takes less than a millisecond. */
const turn = 25_000;
/** Turns of each side, for each sample of the options. */
const turns = 40;

const FastBuffer = Buffer[Symbol.species];

/** A view with the same fields as a block: an object that several blocks share, and a small integer. */
class View extends FastBuffer {
	#segment;
	#place;

	constructor(segment, offset, length, place) {
		super(segment.buffer, offset, length);
		this.#segment = segment;
		this.#place = place;
	}

	static placeOf(view) {
		return view.#segment.index + view.#place;
	}
}

/** The last view. Nobody else can reach it, but V8 does not know that. */
let kept;

/** Each side makes so many operations. The loops are written out, so that V8 inlines each of them by itself. */
function sidesOf(kind, size, { buffer, byteOffset }) {
	const segment = { index: 0, buffer };
	return {
		plain(operations) {
			for (let i = 0; i < operations; i++) kept = new FastBuffer(buffer, byteOffset, size);
		},
		block(operations) {
			for (let i = 0; i < operations; i++) kept = new View(segment, byteOffset, size, byteOffset);
		},
		pair(operations) {
			for (let i = 0; i < operations; i++) kind.free(kind.malloc(size));
		},
		raw(operations) {
			for (let i = 0; i < operations; i++) kind.freeRaw(kind.mallocRaw(size));
		},
	};
}

/** The number of scavenges while a function runs, and their milliseconds. */
async function scavengesIn(run) {
	const scavenges = { count: 0, ms: 0 };
	const observer = new PerformanceObserver((list) => {
		for (const { detail, duration } of list.getEntries()) {
			if (detail.kind !== constants.NODE_PERFORMANCE_GC_MINOR) continue;
			scavenges.count++;
			scavenges.ms += duration;
		}
	});
	observer.observe({ entryTypes: ['gc'] });
	run();
	// The entries come in later turns of the event loop.
	for (let i = 0; i < 10; i++) await new Promise(setImmediate);
	observer.disconnect();
	return scavenges;
}

export async function view(cell) {
	const { directory, kindSize, size, samples, operations } = cell;
	const kind = PmemKind.create(directory, { maxSize: kindSize });
	const block = kind.malloc(size);
	const sides = sidesOf(kind, size, block);
	const names = Object.keys(sides);
	for (const run of Object.values(sides)) warmUp(run, cell);
	const ns = Object.fromEntries(names.map((name) => [name, []]));
	for (let i = 0; i < turns * samples; i++) {
		// The order changes, so that no side is always the first or always comes after the same one.
		const order = names.map((_, index) => names[(i + index) % names.length]);
		for (const name of i % 2 === 0 ? order : order.reverse()) ns[name].push(measure(turn, sides[name]).cpu);
	}
	const ratio = (one, other) => median(ns[one].map((time, i) => time / ns[other][i]));
	const scavenges = {};
	for (const [name, run] of Object.entries(sides)) {
		const { count, ms } = await scavengesIn(() => run(operations));
		// Scaled to ten million operations, however many there were.
		scavenges[name] = { count: (count * 1e7) / operations, ms: (ms * 1e7) / operations };
	}
	if (View.placeOf(new View({ index: 0, buffer: kept.buffer }, 0, 0, 1)) !== 1) throw new Error('no view was kept');
	kind.free(block);
	kind.close();
	return {
		ns: Object.fromEntries(names.map((name) => [name, median(ns[name])])),
		ratio: {
			'pair / plain': ratio('pair', 'plain'),
			'pair / block': ratio('pair', 'block'),
			'block / plain': ratio('block', 'plain'),
			'raw / plain': ratio('raw', 'plain'),
		},
		scavenges,
	};
}
