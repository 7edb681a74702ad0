// A worker of the stress run. It joins the shared kind, does random operations as long as it is told to, checks what it
// holds, and takes what other workers hand over.
import { parentPort, workerData } from 'node:worker_threads';
import { Kind, PmemKind } from 'daxkind';
import { gc } from '../gc.mjs';
import { newPhase, operate, receive, release } from '../players/operations.mjs';
import { Player } from '../players/player.mjs';
import { Random } from '../random.mjs';
import { Tally } from './tally.mjs';
import { watchWarnings } from './warnings.mjs';

const { number, debug } = workerData;
const tally = new Tally(workerData.tally);
const random = new Random(workerData.seed, number);
/** The most blocks that one worker holds. The cost of more in V8 is not what is tested. */
const mostHeld = 20_000;

let player;
let share = 0;
/** The directory of the worker's own kind. */
let place;
let isRunning = false;

/** Stops, and tells the supervisor. */
function fail(error) {
	isRunning = false;
	const { what = 'an unexpected error', report = { ...error }, stack = String(error) } = error;
	const where = { operation: player?.operation, worker: number, 'operations done': tally.get('done') };
	const stats = player?.kind.closed === false ? player.kind.stats() : undefined;
	parentPort.postMessage({
		type: 'failure',
		what,
		report: JSON.parse(JSON.stringify({ ...where, ...report, stats, stack })),
	});
}

/** Works for a while, then lets the event loop deliver messages. */
function turn() {
	if (!isRunning) return;
	const end = performance.now() + random.logUniform(1, 100);
	try {
		while (performance.now() < end) {
			const hasRoom = player.bytes < share * player.phase.fill && player.held.length < mostHeld;
			const done = operate(player, hasRoom, (name) => tally.begin(name));
			if (done !== undefined) tally.add(done);
			tally.add('done');
		}
	} catch (error) {
		fail(error);
		return;
	}
	setImmediate(turn);
}

/** What the supervisor can ask for. A worker answers each request when it has done it. */
const answers = {
	open({ shared, base, workers, directory }) {
		const kind = Kind.attach(shared);
		share = kind.capacity / workers;
		place = directory;
		const send = (item) => parentPort.postMessage({ type: 'item', item });
		const count = (name, by) => tally.add(name, by);
		const watch = (job) => job.catch(fail);
		const phase = newPhase(random);
		player = new Player({ kind, random, base, phase, send, count, watch, gc, nextId: number * 2 ** 24 });
	},
	stop() {
		isRunning = false;
	},
	/** Frees everything, and waits for what still runs. */
	async drain() {
		tally.begin('free');
		while (player.held.length > 0) {
			release(player, player.held.at(-1), true);
			tally.add('done');
		}
		await player.pending;
		player.otherKind.close();
		player.otherKind = undefined;
		// This empties the quarantine. Without debug mode the thread cache stays full, so that others have to ask for
		// it.
		if (debug) player.kind.purge();
		gc();
	},
	gc,
	purge: () => player.kind.purge(),
	close: () => player.kind.close(),
};

/** Orders that are not answered. */
const orders = {
	run() {
		player.otherKind = PmemKind.create(place, { maxSize: 16 * 2 ** 20, debug });
		isRunning = true;
		turn();
	},
	/** Changes one byte of a block, to see that the run finds it. */
	spoil() {
		const entry = player.choose();
		if (entry === undefined) return;
		const memory = player.memoryOf(entry);
		memory[memory.length - 1] ^= 1;
	},
	item: ({ item }) => receive(player, item),
};

watchWarnings(fail);
parentPort.on('message', async (message) => {
	const { type } = message;
	try {
		if (type in orders) {
			orders[type](message);
			return;
		}
		const value = await answers[type](message);
		parentPort.postMessage({ type: 'answer', to: type, value });
	} catch (error) {
		fail(error);
	}
});
