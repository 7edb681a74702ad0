// A process with an open kind that starts a child in every way that Node has. Each child reports what it holds. For
// each way this prints how many lines of the report are about the kind, and whether the child came to its end.
// Argument: the directory.
import { exec, execFile, execFileSync, execSync, fork, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { PmemKind } from 'daxkind';
import { held } from './held.mjs';

const directory = process.argv[2];
const kind = PmemKind.create(directory, { maxSize: 64 * 1024 * 1024 });
const blocks = [10, 5000, 3_000_000].map((size) => kind.malloc(size).fill('block'));

/** The commands for a shell that reports what it holds, and then prints its status. */
const look = 'ls -l /proc/self/fd; cat /proc/self/maps; echo 0';
const program = fileURLToPath(new URL('child.mjs', import.meta.url));
const ignored = ['ignore', 'pipe', 'inherit'];

async function outputOf(child) {
	let text = '';
	child.stdout.setEncoding('utf8').on('data', (chunk) => {
		text += chunk;
	});
	await once(child, 'close');
	return text;
}

/** What a Node child reports over its IPC channel, and its exit status. */
async function reportOf(child) {
	const ended = once(child, 'exit');
	const [report] = await once(child, 'message');
	const [status] = await ended;
	return `${report}\n${status}\n`;
}

const ways = {
	spawn: () => outputOf(spawn('sh', ['-c', look], { stdio: ignored })),
	'spawn with a shell': () => outputOf(spawn(look, { shell: true, stdio: ignored })),
	'spawn, detached': () => outputOf(spawn('sh', ['-c', look], { detached: true, stdio: ignored })),
	'spawn with further descriptors': () =>
		outputOf(spawn('sh', ['-c', look], { stdio: [...ignored, 'pipe', 'ipc', 'ignore'] })),
	spawnSync: () => spawnSync('sh', ['-c', look], { encoding: 'utf8' }).stdout,
	exec: async () => (await promisify(exec)(look)).stdout,
	execSync: () => execSync(look, { encoding: 'utf8' }),
	execFile: async () => (await promisify(execFile)('sh', ['-c', look])).stdout,
	execFileSync: () => execFileSync('sh', ['-c', look], { encoding: 'utf8' }),
	'spawn in a worker thread': async () => {
		const code = `const { spawnSync } = require('node:child_process');
			const { parentPort, workerData } = require('node:worker_threads');
			parentPort.postMessage(spawnSync('sh', ['-c', workerData], { encoding: 'utf8' }).stdout);`;
		const [text] = await once(new Worker(code, { eval: true, workerData: look }), 'message');
		return text;
	},
	fork: () => reportOf(fork(program, [directory])),
	'fork, detached': () => reportOf(fork(program, [directory], { detached: true })),
	'fork with advanced serialization': () => reportOf(fork(program, [directory], { serialization: 'advanced' })),
};

const seen = {};
const note = (way, text) => {
	const lines = text.split('\n');
	seen[way] = [lines.filter((line) => line.includes(`${directory}/`)).length, lines.at(-2)];
};
note('this process itself', `${held().join('\n')}\n0\n`);
for (const [way, run] of Object.entries(ways)) note(way, await run());
const isIntact = blocks.every((block) => block.equals(Buffer.alloc(block.length, 'block')));
for (const block of blocks) kind.free(block);
console.log(JSON.stringify({ seen, isIntact, blocksLeft: kind.stats().blocks }));
