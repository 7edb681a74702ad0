// `npm start`: a small HTTP service that keeps its values in a pmem kind (service.mjs). It sends itself real requests,
// verifies every byte and prints what happened. Or it stays up, so that a person can try it.
import { statfsSync } from 'node:fs';
import { constants } from 'node:os';
import { Worker } from 'node:worker_threads';
import { PmemKind } from 'daxkind';
import { maxValueBytes, meanValueBytes } from './content.mjs';
import { GcClock, measurePairs } from './measure.mjs';
import { parseOptions, UsageError, usage } from './options.mjs';
import { choosePlace } from './place.mjs';
import { describeKind, describeLoad, formatBytes, formatCount, formatRows } from './report.mjs';
import { ValueService } from './service.mjs';

/** The longest time of the load. In a guest of the VM without KVM the load is slow, and ends by this time. */
const maxLoadSeconds = 15;

/** The load stores this many bytes of values, if the kind has room for four times as many and for uploads under way. */
const aimedBytes = 32 * 2 ** 20;
const spareBytes = 16 * maxValueBytes;

/** Runs the service. @returns The exit status: 1 if a response was wrong or a block was left. */
async function run(options) {
	const place = choosePlace(options.dir);
	const kind = PmemKind.create(place.directory, { ...(options.maxSize !== undefined && { maxSize: options.maxSize }) });
	const service = new ValueService(kind);
	try {
		const port = await service.listen(options.port);
		return options.serve ? await serve(kind, service, place, port) : await load(kind, service, place, port, options);
	} finally {
		await service.close();
		kind.close();
	}
}

async function serve(kind, service, place, port) {
	const url = `http://127.0.0.1:${port}`;
	console.log(formatRows(describeKind(kind, place)));
	if (place.note) console.log(`\n${place.note}`);
	console.log(
		`\nserving on ${url}; try this in another terminal:\n` +
			`  curl -X PUT --data-binary 'hello' ${url}/values/greeting\n` +
			`  curl ${url}/values/greeting\n` +
			`  curl ${url}/stats\n` +
			`  curl -X DELETE ${url}/values/greeting\n` +
			'Ctrl-C ends it and gives the space back.',
	);
	await new Promise((resolve) => {
		process.once('SIGINT', resolve).once('SIGTERM', resolve);
	});
	const { values, bytes } = service.counts;
	console.log(`\nclosing: ${formatCount(values)} values (${formatBytes(bytes)}) are freed`);
	return 0;
}

function runLoadInWorker(options) {
	return new Promise((resolve, reject) => {
		const worker = new Worker(new URL('./load-worker.mjs', import.meta.url), { workerData: options, execArgv: [] });
		const end = () => void worker.terminate();
		process.once('SIGINT', end).once('SIGTERM', end);
		worker.once('message', resolve).once('error', reject);
		worker.once('exit', () => {
			process.off('SIGINT', end).off('SIGTERM', end);
			reject(Object.assign(new Error('interrupted'), { code: 'INTERRUPTED' }));
		});
	});
}

async function load(kind, service, place, port, options) {
	// The kind may be as large as the file system, and the file system may be partly full.
	const { bavail, bsize } = statfsSync(kind.path);
	const room = Math.max(0, Math.min(kind.capacity, bavail * bsize) - spareBytes);
	const keys = Math.max(16, Math.floor(Math.min(aimedBytes, room / 4) / meanValueBytes));
	const { requests } = options;
	console.log(`${formatCount(requests)} requests over ${formatCount(keys)} keys, values of 16 B to 256 KiB …`);
	const clock = new GcClock();
	const blocks = watchBlocks(kind);
	const running = runLoadInWorker({ port, requests, maxSeconds: maxLoadSeconds, keys });
	const result = await running.finally(() => blocks.stop());
	// The load deletes what it has stored. The last responses end with their connections.
	const valuesLeft = service.counts.values;
	await service.close();
	const measured = {
		load: result,
		gc: await clock.stop(),
		peakBlocks: blocks.stop(),
		blocksLeft: kind.stats().blocks + valuesLeft,
		peakBytes: service.counts.peakBytes,
		heapUsed: process.memoryUsage().heapUsed,
		pairs: measurePairs(kind),
	};
	console.log(formatRows([...describeKind(kind, place), ...describeLoad(measured)]));
	if (place.note) console.log(`\n${place.note}`);
	return result.failed === 0 && result.get > 0 && measured.blocksLeft === 0 ? 0 : 1;
}

/** Reads the number of blocks from time to time. `stop` returns the largest number. */
function watchBlocks(kind) {
	let most = 0;
	const timer = setInterval(() => {
		most = Math.max(most, kind.stats().blocks);
	}, 20);
	return {
		stop() {
			clearInterval(timer);
			return most;
		},
	};
}

/** Runs the command line. @returns The exit status. */
async function main() {
	// End as SIGPIPE would: nobody reads the output any more.
	process.stdout.on('error', () => process.exit(128 + constants.signals.SIGPIPE));
	try {
		const options = parseOptions(process.argv.slice(2));
		if (!options.help) return await run(options);
		console.log(usage);
		return 0;
	} catch (error) {
		// An error with a code is about the machine, and its message is enough.
		const isUsage = error instanceof UsageError;
		if (!isUsage && error.code === undefined) throw error;
		console.error(error.message + (isUsage ? '\n  (--help says more)' : ''));
		return isUsage ? 2 : 1;
	}
}

process.exitCode = await main();
