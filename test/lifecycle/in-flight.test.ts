// Operations of Node that go on after their memory was freed or unmapped. They touch nobody else's memory, whatever
// takes its place. They run in processes of their own, because they might write into anything.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { MIB } from '#lib/size.js';
import { spawnSync } from '../helpers/children.ts';
import { testDirectory } from '../helpers/directory.ts';
import { runChild } from '../helpers/process.ts';

const root = testDirectory();

function printed(code: string, directory = mkdtempSync(`${root}/`)): unknown {
	const { status, signal, stdout, stderr } = runChild(code, directory, [], ['--expose-gc']);
	expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' });
	return JSON.parse(stdout);
}

const prelude = `
	import fs from 'node:fs';
	import net from 'node:net';
	import { mapFile } from 'daxkind';
	const turn = () => new Promise((resolve) => setImmediate(resolve));
	/** All that is garbage is found, and its finalizers run. */
	const collect = async () => { for (let i = 0; i < 5; i++) { gc(); await turn(); } };
	const make = (options) => PmemKind.create(process.argv[1], { maxSize: ${64 * MIB}, ...options });
	/** Blocks of other kinds, at the addresses that are free by now. */
	const others = () => Array.from({ length: 8 }, () => make().malloc(${8 * MIB}).fill(0x41));
	const map = () => {
		fs.writeFileSync(process.argv[1] + '/file', '');
		fs.truncateSync(process.argv[1] + '/file', ${64 * MIB});
		return mapFile(process.argv[1] + '/file', { allocate: false });
	};
	/** Without the pages of V8's heap, of 256 KiB each. */
	const mappings = () => {
		const lines = fs.readFileSync('/proc/self/maps', 'utf8').split('\\n');
		return lines.filter((line) => {
			const [from, to] = line.split(' ', 1)[0].split('-').map((address) => Number.parseInt(address, 16));
			return to - from !== 256 * 1024;
		}).length;
	};`;

/** How to get 1 MiB that an ArrayBuffer covers, and how to let go of it. */
const memories: Record<string, string> = {
	'a block, then close': 'let kind = make(); return [kind.malloc(1 << 20), () => kind.close()];',
	'a block, then closeAsync': 'let kind = make(); return [kind.malloc(1 << 20), () => kind.closeAsync()];',
	'a block of the collector, then free and close':
		'let kind = make(); const block = kind.buffer(1 << 20); return [block, () => { kind.free(block); kind.close(); }];',
	'a block in debug mode, then close':
		'let kind = make({ debug: true }); return [kind.malloc(1 << 20), () => kind.close()];',
	'a mapping, then unmap': 'let mapping = map(); return [mapping.buffer.subarray(0, 1 << 20), () => mapping.unmap()];',
};

test.each(Object.entries(memories))('fs.read into %s, writes into no memory of others', (_, memory) => {
	const directory = mkdtempSync(`${root}/`);
	spawnSync('mkfifo', [`${directory}/fifo`]);
	const result = printed(
		`${prelude}
		process.removeAllListeners('warning');
		process.on('warning', () => {}); // Of debug mode, that the block was not freed.
		const fd = fs.openSync(process.argv[1] + '/fifo', 'r+');
		const done = await (async () => {
			const [block, letGo] = (() => { ${memory} })();
			const done = new Promise((resolve) => fs.read(fd, block, 0, 4096, null, (error, count) => resolve(error?.code ?? count)));
			await new Promise((resolve) => setTimeout(resolve, 20));
			await letGo();
			return [done];
		})();
		await collect();
		const blocks = others();
		fs.writeSync(fd, Buffer.alloc(4096, 0x58));
		console.log(JSON.stringify([await done[0], blocks.every((block) => block.equals(Buffer.alloc(block.length, 0x41)))]));
		process.exit(0);`,
		directory,
	);
	expect(result).toEqual([4096, true]);
});

test.each(['a block, then close', 'a mapping, then unmap'])('socket.write of %s, sends nothing of others', (name) => {
	const result = printed(
		`${prelude}
		const server = net.createServer((socket) => {
			const [block, letGo] = (() => { ${memories[name]!.replaceAll('1 << 20', '8 << 20')} })();
			socket.write(block.fill(0x50));
			letGo();
		});
		await new Promise((resolve) => server.listen(0, resolve));
		const client = net.connect(server.address().port).pause();
		await new Promise((resolve) => client.once('connect', resolve));
		await new Promise((resolve) => setTimeout(resolve, 50));
		await collect();
		const blocks = others();
		const seen = new Set();
		let received = 0;
		client.on('data', (data) => {
			for (const byte of data) seen.add(byte);
			received += data.length;
			if (received < ${8 * MIB}) return;
			console.log(JSON.stringify({ received, isOthers: seen.has(0x41), blocks: blocks.length }));
			process.exit(0);
		});
		client.resume();`,
	);
	expect(result).toEqual({ received: 8 * MIB, isOthers: false, blocks: 8 });
});

test('the addresses go back when nothing uses them any more', () => {
	const result = printed(
		`${prelude}
		const before = mappings();
		await (async () => {
			const kept = [];
			for (let i = 0; i < 20; i++) {
				const kind = make();
				kept.push(kind.malloc(100), kind.buffer(100));
				kind.close();
				const mapping = map();
				kept.push(mapping.buffer.subarray(1));
				mapping.unmap();
				await turn();
			}
		})();
		await collect();
		// Not the 40 and more of kinds and mappings; but V8 and its threads map memory of their own meanwhile.
		console.log(JSON.stringify(mappings() - before < 20));`,
	);
	expect(result).toBe(true);
});

test('kinds made and closed in one turn of the event loop use up neither the mappings nor the addresses', () => {
	const result = printed(
		`${prelude}
		const before = mappings();
		for (let i = 0; i < 500; i++) {
			const kind = make();
			kind.malloc(100);
			kind.close();
		}
		// A process may have 65,530, and this would be two each.
		const few = mappings() - before < 250;
		// And of addresses it has 128 TiB.
		for (let i = 0; i < 150; i++) {
			const kind = make({ maxSize: 2 ** 40 });
			kind.malloc(100);
			kind.close();
		}
		console.log(JSON.stringify(few));`,
	);
	expect(result).toBe(true);
}, 120_000);

test('in debug mode a read into a block that was freed before it was done is told', () => {
	const directory = mkdtempSync(`${root}/`);
	spawnSync('mkfifo', [`${directory}/fifo`]);
	const result = printed(
		`${prelude}
		process.removeAllListeners('warning');
		const codes = [];
		process.on('warning', ({ code }) => codes.push(code));
		const fd = fs.openSync(process.argv[1] + '/fifo', 'r+');
		const kind = make({ debug: true });
		const block = kind.malloc(5000);
		const done = new Promise((resolve) => fs.read(fd, block, 0, 4096, null, resolve));
		kind.free(block);
		fs.writeSync(fd, Buffer.alloc(4096, 0x58));
		await done;
		kind.close();
		await turn();
		console.log(JSON.stringify(codes));
		process.exit(0);`,
		directory,
	);
	expect(result).toEqual(['DAXKIND_USE_AFTER_FREE']);
});

/** A program that marks and freezes the ArrayBuffer of a block or a mapping, as any program may. */
const marked = (code: string) => `
	import { markAsUntransferable, Worker } from 'node:worker_threads';
	import { mapFile } from 'daxkind';
	const make = (options) => PmemKind.create(process.argv[1], { maxSize: ${16 * MIB}, ...options });
	/** Nobody else can. */
	const mark = (view) => {
		markAsUntransferable(view.buffer);
		Object.freeze(view.buffer);
		return (globalThis.kept = view);
	};
	${code}`;

const inWorker = (end: string) => `
	const worker = new Worker(\`
		const { markAsUntransferable, parentPort, workerData } = require('node:worker_threads');
		const { PmemKind } = require('daxkind');
		const kind = PmemKind.create(workerData, { maxSize: ${16 * MIB} });
		globalThis.kept = [kind.malloc(10), kind.buffer(10)];
		for (const { buffer } of kept) markAsUntransferable(buffer);
		${end}\`, { eval: true, workerData: process.argv[1], execArgv: [] });
	const ended = new Promise((resolve) => worker.once('exit', (length) => resolve({ length })));`;

/**
 * What becomes of the marked memory, and the lengths that are logged afterwards. For a worker, the exit code is logged.
 */
const lives: Record<string, [code: string, lengths: number[]]> = {
	'a block, close': ['const kind = make(); const block = mark(kind.malloc(10)); kind.close(); log(block);', [0]],
	'a block in debug mode, free': [
		'const kind = make({ debug: true }); const block = mark(kind.malloc(10)); kind.free(block); log(block); kind.close();',
		[0],
	],
	'a block of the collector, free': [
		'const kind = make(); const block = mark(kind.buffer(10)); kind.free(block); log(block); kind.close();',
		[0],
	],
	'a block of the collector, close': [
		'const kind = make(); const block = mark(kind.buffer(10)); kind.close(); log(block);',
		[0],
	],
	'a mapping, unmap': [
		'const mapping = mapFile(process.argv[1] + "/file"); mark(mapping.buffer); mapping.unmap(); log(mapping.buffer);',
		[0],
	],
	'everything, the end of the process': [
		'const kind = make(); log(mark(kind.malloc(10)), mark(kind.buffer(10)), mark(mapFile(process.argv[1] + "/file").buffer));',
		[10, 10, 4096],
	],
	'a block, process.exit': ['log(mark(make().malloc(10))); process.exit();', [10]],
	'blocks of a worker, its end': [`${inWorker('')} log(await ended);`, [0]],
	'blocks of a worker, process.exit there': [`${inWorker('process.exit();')} log(await ended);`, [0]],
	'blocks of a worker, terminate': [
		`${inWorker('parentPort.postMessage(0); setInterval(() => {}, 1000);')}
		await new Promise((resolve) => worker.once('message', resolve));
		void worker.terminate();
		log(await ended);`,
		[1],
	],
};

test.each(Object.entries(lives))('markAsUntransferable of %s', (_, [code, lengths]) => {
	const directory = mkdtempSync(`${root}/`);
	writeFileSync(`${directory}/file`, Buffer.alloc(4096));
	const log = 'const log = (...views) => console.log(JSON.stringify(views.map(({ length }) => length)));';
	expect(printed(marked(log + code), directory)).toEqual(lengths);
});
