// A worker of the stress run: joins the shared kind, does random operations for as long as it is told to, looks after
// what it holds, and takes what other workers hand over.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parentPort, workerData } from 'node:worker_threads';
import { Kind, PmemKind } from 'daxkind';
import { freeing, looking, making, newPhase, release } from './blocks.mjs';
import { handing, race, takeOver, takeOverRaw } from './handovers.mjs';
import { keeping } from './housekeeping.mjs';
import { misusing } from './misuse.mjs';
import { Finding, Player } from './player.mjs';
import { Random } from './random.mjs';
import { Tally } from './tally.mjs';
import { watchWarnings } from './warnings.mjs';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc');

const { seed, number, debug } = workerData;
const tally = new Tally(workerData.tally);
const random = new Random(seed, number);
/** Blocks that one worker holds at most: V8's cost of more is not what this is about. */
const mostHeld = 20_000;
/** How long a worker is busy before it looks at its messages, in milliseconds. */
const busyMs = [1, 100];

let player;
let share = 0;
/** Where the worker's own kind is. */
let place;
let isRunning = false;

/** Groups of operations, and how often they come up; making and freeing share the rest. */
const groups = [
	[0.12, looking],
	[0.04, handing],
	[0.01, misusing],
	[0.006, keeping],
];

function chooseGroup() {
	let at = random.next() / 2 ** 32;
	for (const [probability, group] of groups) {
		if (at < probability) return group;
		at -= probability;
	}
	const { bytes, held, phase } = player;
	const hasRoom = bytes < share * phase.fill && held.length < mostHeld;
	return random.chance(hasRoom ? 0.62 : 0.3) ? making : freeing;
}

const weights = new Map(
	[making, freeing, looking, handing, misusing, keeping].map((group) => [
		group,
		group.reduce((sum, { weight }) => sum + weight, 0),
	]),
);

function chooseOperation() {
	const group = chooseGroup();
	let at = random.below(weights.get(group));
	return group.find(({ weight }) => {
		at -= weight;
		return at < 0;
	});
}

function operate() {
	if (--player.phase.left < 0) player.phase = newPhase(random);
	const { name, run, counts = true } = chooseOperation();
	player.operation = name;
	tally.begin(name);
	if (run(player) && counts) tally.add(name);
	tally.add('done');
}

/** Stops and tells the supervisor. */
function fail(error) {
	isRunning = false;
	const { operation, kind } = player ?? {};
	const report = error instanceof Finding ? error.report : { error: error?.stack ?? String(error), ...error };
	let stats;
	try {
		stats = kind?.stats();
	} catch {
		// Closed.
	}
	const what = error instanceof Finding ? error.message : 'an unexpected error';
	const stack = error instanceof Finding ? error.stack.split('\n').slice(1, 8).join('\n') : undefined;
	const full = { operation, ...report, worker: number, 'operations done': tally.get('done'), stats, stack };
	parentPort.postMessage({ type: 'failure', what, report: JSON.parse(JSON.stringify(full)) });
}

function turn() {
	if (!isRunning) return;
	const end = performance.now() + random.logUniform(...busyMs);
	try {
		do for (let i = 0; i < 8; i++) operate();
		while (performance.now() < end);
	} catch (error) {
		fail(error);
		return;
	}
	setImmediate(turn);
}

/** Frees everything, and waits for what still runs. */
async function drain() {
	tally.begin('free');
	while (player.held.length > 0) release(player, player.held.at(-1), true);
	await player.pending;
	player.own.close();
	player.own = undefined;
	// Empties the quarantine; without debug mode the thread cache stays full, for others to ask for.
	if (debug) player.kind.purge();
	gc();
}

function open({ shared, base, workers, directory }) {
	const kind = Kind.attach(shared);
	share = kind.capacity / workers;
	place = directory;
	const send = (item) => parentPort.postMessage({ type: 'item', item });
	const given = { kind, random, tally, base, isDebugging: debug, send, gc, watch: (job) => job.catch(fail) };
	player = new Player({ ...given, phase: newPhase(random), firstId: number * 2 ** 24 });
}

function start() {
	player.own = PmemKind.create(place, { maxSize: 16 * 2 ** 20, debug });
	isRunning = true;
	turn();
}

/** What the supervisor asks for; each is answered when it is done. */
const answers = {
	open: (message) => open(message),
	stop: () => {
		isRunning = false;
	},
	drain: () => drain(),
	gc: () => gc(),
	purge: () => player.kind.purge(),
	close: () => player.kind.close(),
};

/** What is not answered. */
const orders = {
	run: () => start(),
	spoil: () => spoil(),
	block: (item) => takeOver(player, item),
	raw: (item) => takeOverRaw(player, item),
	race: (item) => race(player, item),
};

/** To see that the run finds it: changes one byte of a block. */
function spoil() {
	const entry = player.choose();
	if (entry === undefined) return;
	const memory = player.memoryOf(entry);
	memory[memory.length - 1] ^= 1;
}

watchWarnings((warning) => fail(new Finding(warning.message, { detail: warning.detail })));
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
