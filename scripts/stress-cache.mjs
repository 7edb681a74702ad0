// npm run stress:cache: threads use one cache in all ways at random, each value says what key it is of, and one thread
// after the other is terminated in the middle. At the end nothing may be left: no lease, no half-written value, no block.
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { UsageError } from './arguments.mjs';
import { bootstrap } from './bootstrap.mjs';
import { Random } from './random.mjs';
import { main, StepError } from './steps.mjs';

const usage = `Usage: npm run stress:cache -- [options]

  --seconds N   how long each policy runs (default: 30)
  --threads N   how many threads (default: 4)
  --seed N      for the random numbers (default: the time)
  --dir DIR     where the cache keeps its entries (default: $DAXKIND_MOUNT, else /dev/shm)
  --help        print this`;

const maxSize = 64 * 2 ** 20;

function parseOptions(args) {
	const text = { type: 'string' };
	const options = { seconds: text, threads: text, seed: text, dir: text, help: { type: 'boolean', default: false } };
	let values;
	try {
		({ values } = parseArgs({ args, options }));
	} catch (error) {
		throw new UsageError(error.message);
	}
	const count = (name, otherwise) => {
		const number = Number(values[name] ?? otherwise);
		if (!Number.isInteger(number) || number < 1) throw new UsageError(`--${name} must be an integer >= 1`);
		return number;
	};
	return {
		help: values.help,
		seconds: count('seconds', 30),
		threads: count('threads', 4),
		seed: count('seed', Date.now() % 2 ** 31),
		directory: values.dir ?? (process.env.DAXKIND_MOUNT || '/dev/shm'),
	};
}

/** A worker, and what it has said. */
class Hand {
	failure;
	calls = 0;
	#worker;

	constructor(workerData) {
		this.#worker = new Worker(new URL('stress/cache-worker.mjs', import.meta.url), { workerData });
		this.#worker.on('message', ({ calls, failure }) => {
			this.calls = calls;
			this.failure ??= failure;
		});
		this.#worker.on('error', (error) => {
			this.failure ??= error.stack;
		});
	}

	/** When it works. */
	begun() {
		return once(this.#worker, 'message');
	}

	terminate() {
		return this.#worker.terminate();
	}
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(what, condition) {
	for (let tries = 0; tries < 1000; tries++) {
		if (condition()) return;
		await sleep(10);
	}
	throw new StepError(`after ten seconds this is still not true: ${what}`);
}

async function stress(policy, { seconds, threads, seed, directory }) {
	const { Kind } = await import('daxkind');
	const { PmemCache } = await import('daxkind/cache');
	const cache = PmemCache.create(directory, { maxSize, policy });
	const kind = Kind.attach(cache.share().kind);
	const random = new Random(seed);
	let started = 0;
	const start = () => new Hand({ shared: cache.share(), seed: seed + started++ });
	const hands = Array.from({ length: threads }, start);
	const ended = [];
	await Promise.all(hands.map((hand) => hand.begun()));
	const end = performance.now() + seconds * 1000;
	const check = () => {
		for (const { failure } of [...hands, ...ended]) {
			if (failure !== undefined) throw new StepError(`${failure}\nRepeat with: npm run stress:cache -- --seed ${seed}`);
		}
	};
	while (performance.now() < end) {
		await sleep(random.below(400));
		check();
		const at = random.below(hands.length);
		await hands[at].terminate();
		ended.push(hands[at]);
		hands[at] = start();
		await hands[at].begun();
	}
	await Promise.all(hands.map((hand) => hand.terminate()));
	check();
	const { bytes, evicted, expired, hits, misses, sets } = cache.stats();
	if (bytes > maxSize) throw new StepError(`the cache has ${bytes} bytes`);
	cache.clear();
	await until('nothing is left of the cache', () => kind.stats().blocks === 0 && cache.stats().pinned === 0);
	cache.close();
	kind.close();
	const all = [...ended, ...hands].reduce((sum, { calls }) => sum + calls, 0);
	const counts = { sets, hits, misses, evicted, expired };
	const told = Object.entries(counts).map(([name, count]) => `${count.toLocaleString('en')} ${name}`);
	console.log(
		`${policy}: ${all.toLocaleString('en')} calls by ${threads} threads, ${ended.length} terminated; ${told.join(', ')}`,
	);
}

await main(async (args) => {
	try {
		const options = parseOptions(args);
		if (options.help) {
			console.log(usage);
			return 0;
		}
		const obstacle = await bootstrap();
		if (obstacle) throw new StepError(obstacle);
		for (const policy of ['s3-fifo', 'lru']) await stress(policy, options);
		return 0;
	} catch (error) {
		if (!(error instanceof UsageError)) throw error;
		console.error(`${error.message}\n\n${usage}`);
		return 2;
	}
});
