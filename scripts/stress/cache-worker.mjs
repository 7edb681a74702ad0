// One of the threads of scripts/stress-cache.mjs.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { PmemCache } from 'daxkind/cache';
import { Random } from '../random.mjs';

/** With these the cache is too small, and evicts. */
const keys = 8000;
const mostLength = 300_000;
/** Calls between two turns of the event loop. */
const callsInTurn = 200;
const mostLeases = 40;
const mostOpen = 5;

const cache = PmemCache.attach(workerData.shared);
const random = new Random(workerData.seed);
const leases = [];
const open = [];

/** Keys of all sorts. Their numbers tell what their values are. */
const keyOf = (number) => [`key ${number}`, `κλειδί ${number}`, Buffer.from(`key ${number}`)][number % 3];

/** The value of a key is bytes that all tell the key. Its length is anything. */
const contentOf = (number, length) => Buffer.alloc(length, number % 251);

class Wrong extends Error {}

function check(number, value, what) {
	const byte = number % 251;
	// Looking at all bytes of all values would take most of the time.
	const isRight = value.length < 4096 ? value.every((each) => each === byte) : isSame(value, byte);
	if (!isRight) throw new Wrong(`${what} of key ${number} has ${value.length} bytes of which some are wrong`);
}

const isSame = (value, byte) => value.subarray(1).equals(value.subarray(0, -1)) && value[0] === byte;

const actions = {
	get(number) {
		const value = cache.get(keyOf(number), random.chance(0.2) ? { allowStale: true } : undefined);
		if (value !== undefined) check(number, value, 'a copy');
	},
	read(number) {
		cache.read(keyOf(number), (value) => check(number, value, 'what is read'));
	},
	lease(number) {
		const lease = cache.lease(keyOf(number));
		if (lease !== undefined) leases.push({ lease, number });
		if (leases.length > mostLeases) actions.dispose();
	},
	dispose() {
		if (leases.length === 0) return;
		const [{ lease, number }] = leases.splice(random.below(leases.length), 1);
		check(number, lease.value, 'a leased value');
		lease.dispose();
	},
	set(number) {
		const options = random.chance(0.3) ? { ttl: random.logUniform(1, 200), staleTtl: random.below(50) } : undefined;
		cache.set(keyOf(number), contentOf(number, random.logUniform(1, mostLength)), options);
	},
	write(number) {
		const stream = cache.createWriteStream(keyOf(number));
		stream.on('error', () => undefined);
		for (let parts = random.below(5); parts >= 0; parts--) {
			stream.write(contentOf(number, random.logUniform(1, mostLength / 4)));
		}
		// Some are still open when the thread is terminated. More of them would have all of the kind's memory.
		const end = random.pick(['end', 'destroy', undefined]);
		if (end !== undefined) stream[end]();
		else if (open.push(stream) > mostOpen) open.shift().destroy();
	},
	has: (number) => cache.has(keyOf(number)),
	delete: (number) => cache.delete(keyOf(number)),
	list() {
		let seen = 0;
		for (const key of cache.keys()) if (++seen > 500 || key === '') return;
	},
	clear: () => cache.clear(),
	stats() {
		const { bytes, maxSize } = cache.stats();
		if (bytes > maxSize) throw new Wrong(`the cache has ${bytes} bytes`);
	},
};
const weights = {
	get: 400,
	read: 100,
	lease: 60,
	dispose: 50,
	set: 300,
	write: 15,
	has: 20,
	delete: 40,
	list: 2,
	stats: 3,
};
const wheel = Object.entries(weights).flatMap(([name, weight]) => Array(weight).fill(name));

let calls = 0;
try {
	for (;;) {
		for (let i = 0; i < callsInTurn; i++, calls++) {
			// One in 100,000.
			const name = random.chance(1e-5) ? 'clear' : random.pick(wheel);
			actions[name](random.below(keys));
		}
		parentPort.postMessage({ calls });
		await nextTurn();
	}
} catch (error) {
	parentPort.postMessage({ calls, failure: error.stack });
}
