// A cluster whose primary has a kind open while its workers make theirs. Each worker reports what it holds, and ends in
// another way. The primary prints the reports as JSON, and what became of its own kind. Argument: the directory.
import cluster from 'node:cluster';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { PmemKind } from 'daxkind';
import { held } from './held.mjs';

const MiB = 1024 * 1024;
const directory = process.argv[2];

/** The names of the directories in which this process has descriptors and mappings. Each kind has a directory. */
const places = () =>
	held()
		.flatMap((line) => line.split(`${directory}/`)[1]?.split('/')[0] ?? [])
		.sort();

function makeKind(name) {
	mkdirSync(`${directory}/${name}`);
	const kind = PmemKind.create(`${directory}/${name}`, { maxSize: 64 * MiB });
	const blocks = [10, 5000, 3 * MiB].map((size) => kind.malloc(size).fill(name));
	return { kind, isIntact: () => blocks.every((block) => block.equals(Buffer.alloc(block.length, name))) };
}

if (cluster.isPrimary) await lead();
else work(process.env.NAME);

async function lead() {
	const { kind, isIntact } = makeKind('primary');
	const names = ['ends', 'exits', 'throws', 'is killed', 'is disconnected'];
	const workers = await Promise.all(names.map((name) => start(name)));
	const whileAllLive = places();
	for (const [i, { worker }] of workers.entries()) {
		if (names[i] === 'is killed') worker.process.kill('SIGKILL');
		else if (names[i] === 'is disconnected') worker.disconnect();
		else worker.send('end');
	}
	const ends = {};
	for (const [i, { report, exit }] of workers.entries()) ends[names[i]] = [...report, ...(await exit)];
	kind.free(kind.malloc(MiB).fill(1));
	console.log(JSON.stringify({ whileAllLive, ends, isIntact: isIntact(), blocks: kind.stats().blocks }));
}

async function start(name) {
	const worker = cluster.fork({ NAME: name });
	const exit = once(worker, 'exit');
	const [report] = await once(worker, 'message');
	return { worker, exit, report };
}

function work(name) {
	// This is before it has a kind of its own.
	const inherited = places();
	const { isIntact } = makeKind(name);
	process.once('message', () => {
		if (name === 'exits') process.exit(7);
		if (name === 'throws') throw new Error('on purpose');
		process.disconnect();
	});
	process.send([inherited, places(), isIntact()]);
}
