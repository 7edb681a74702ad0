// Kinds on NUMA nodes, as far as every machine can show it, on node 0: wrong nodes, limits of control groups, a lock
// that another program holds, huge pages. test/guest-device tests what needs a second node.
import { accessSync, constants, existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { NodeKind } from 'daxkind';
import { describe, expect, test } from 'vitest';
import { MIB } from '#lib/size.js';
import { execFileSync, spawn, spawnSync } from '../helpers/children.ts';

const nodeFile = '/sys/devices/system/node/node0/meminfo';
const hasNodes = existsSync(nodeFile);
const isRoot = process.getuid!() === 0;

/** The arguments of Node for a program that has NodeKind and MiB. */
function program(body: string) {
	const source = `import { NodeKind } from 'daxkind'; const MiB = 2 ** 20;\n${body}`;
	return ['--input-type=module', '-e', source];
}
const started = (body: string, options = {}) =>
	spawnSync(process.execPath, program(body), { encoding: 'utf8', timeout: 60_000, ...options });

/** A program that allocates until there is no more memory, or `most` MiB, and says how that ended. */
const grow = (most: number, options = '') => `
	const kind = NodeKind.create(0, { maxSize: ${2 * most} * MiB, ${options} });
	let taken = 0;
	try {
		for (; taken < ${most}; taken += 4) kind.malloc(4 * MiB).fill(1);
		console.log('all');
	} catch ({ code, reason }) {
		console.log(code, reason, taken > 16);
	}`;

describe.skipIf(!hasNodes)('nodes', () => {
	test.each<[string, unknown, string]>([
		['no node', [], 'ERR_INVALID_ARG_VALUE'],
		['a hole', new Array(1), 'ERR_INVALID_ARG_TYPE'],
		['a hole before one that there is', Object.assign(new Array(2), { 1: 0 }), 'ERR_INVALID_ARG_TYPE'],
		['a string', '0', 'ERR_INVALID_ARG_TYPE'],
		['a negative number', -1, 'ERR_OUT_OF_RANGE'],
		['a fraction', 0.5, 'ERR_OUT_OF_RANGE'],
		['more than any kernel has', 4096, 'ERR_OUT_OF_RANGE'],
		['one that there is not', 1000, 'ERR_DAXKIND_NO_NODE'],
	])('are not %s', (_, nodes, code) => {
		expect(() => NodeKind.create(nodes as number)).toThrow(expect.objectContaining({ code }));
	});

	test('may be said twice', () => {
		const kind = NodeKind.create([0, 0], { maxSize: 16 * MIB });
		expect(kind.requestedNodes).toEqual([0]);
		kind.close();
	});
});

describe.skipIf(!hasNodes)('more than there is', () => {
	const more = 2 ** 42;

	test('is the same error by create, createAsync and prefault, at once', async () => {
		const full = expect.objectContaining({ code: 'ERR_DAXKIND_NODE_FULL', remedy: expect.any(String) });
		expect(() => NodeKind.create(0, { maxSize: more, prefault: true })).toThrow(full);
		await expect(NodeKind.createAsync(0, { maxSize: more, prefault: true })).rejects.toEqual(full);
		const kind = NodeKind.create(0, { maxSize: more });
		await expect(kind.prefaultAsync()).rejects.toEqual(full);
		expect(kind.stats().resident).toBe(0);
		kind.close();
	});

	test('an allocation larger than the node takes no memory', () => {
		const total = NodeKind.create(0);
		total.close();
		const kind = NodeKind.create(0, { maxSize: 4 * total.capacity });
		expect(kind.tryMallocRaw(2 * total.capacity)).toBe(0);
		expect(kind.stats().resident).toBeLessThan(64 * MIB);
		kind.close();
	});
});

/** The directory of the memory controller of version 1, if this process may make groups in it. */
const memoryGroups = '/sys/fs/cgroup/memory';
const mayMakeGroups = (() => {
	try {
		accessSync(`${memoryGroups}/memory.limit_in_bytes`, constants.W_OK);
		return isRoot;
	} catch {
		return false;
	}
})();

test.skipIf(!hasNodes || !mayMakeGroups)(
	'the limit of a control group is the end of a kind, and not of the process',
	() => {
		const group = `${memoryGroups}/daxkind-test-${process.pid}`;
		mkdirSync(group);
		try {
			writeFileSync(`${group}/memory.limit_in_bytes`, `${160 * MIB}`);
			const join = `echo $$ > ${group}/cgroup.procs; exec "$@"`;
			for (const options of ['', "policy: 'preferred'"]) {
				const said = spawnSync('sh', ['-c', join, 'sh', process.execPath, ...program(grow(400, options))], {
					encoding: 'utf8',
				});
				expect(said.stdout).toBe('ERR_DAXKIND_OUT_OF_MEMORY node-full true\n');
				expect(said.status).toBe(0);
			}
		} finally {
			rmdirSync(group);
		}
	},
);

test.skipIf(!hasNodes || spawnSync('flock', ['--version']).status !== 0)(
	'somebody who holds the lock does not hold up an allocation',
	async () => {
		const holder = spawn('flock', ['--no-fork', nodeFile, 'sh', '-c', 'echo held; exec sleep 60'], {
			stdio: ['ignore', 'pipe', 'inherit'],
		});
		await new Promise((resolve) => holder.stdout.once('data', resolve));
		try {
			const { stdout, status } = started(`
				const kind = NodeKind.create(0, { maxSize: 256 * MiB });
				const began = performance.now();
				for (let i = 0; i < 32; i++) kind.malloc(4 * MiB);
				console.log(performance.now() - began < 10_000);`);
			expect([stdout, status]).toEqual(['true\n', 0]);
		} finally {
			holder.kill();
		}
	},
);

test.skipIf(!hasNodes)(
	'with huge pages, what is given back is whole ones, so that the kernel does not fill it up again',
	() => {
		const kind = NodeKind.create(0, { maxSize: 64 * MIB, hugePages: 'always' });
		const blocks = Array.from({ length: 480 }, () => kind.malloc(64 * 1024).fill(1));
		const kept = blocks.filter((_, n) => n % 8 === 0);
		for (const block of blocks) if (!kept.includes(block)) kind.free(block);
		const before = kind.stats().resident!;
		kind.purge();
		const [use] = kind.nodes();
		expect(use!.bytes).toBe(kind.stats().resident);
		expect(before - use!.bytes).toBeLessThan(4 * MIB);
		for (const block of kept) kind.free(block);
		kind.purge();
		expect(kind.stats().resident).toBeLessThan(4 * MIB);
		kind.close();
	},
);

test.skipIf(!hasNodes || !isRoot || spawnSync('unshare', ['--mount', 'true']).status !== 0)(
	'where /sys or /proc does not show nodes, it is said what to do',
	() => {
		const without = (path: string, body: string) =>
			execFileSync(
				'unshare',
				['--mount', 'sh', '-c', `mount -t tmpfs none ${path} && exec "$@"`, 'sh', process.execPath, ...program(body)],
				{ encoding: 'utf8' },
			);
		const say = (nodes: string) => `
			try { NodeKind.create(${nodes}, { maxSize: 16 * MiB }); console.log('made'); }
			catch ({ code, remedy }) { console.log(code, remedy); }`;
		expect(without('/sys', say("'kmem'"))).toMatch(/^ERR_DAXKIND_NO_SYSFS mount sysfs/);
		expect(without('/sys', say('0'))).toMatch(/^ERR_DAXKIND_NO_NODE mount sysfs/);
		expect(without('/proc', say('0'))).toBe('made\n');
	},
);

test.skipIf(!hasNodes)('an address space that is smaller than the node has a smaller kind', () => {
	const limited = spawnSync(
		'sh',
		[
			'-c',
			'ulimit -v $((8 * 1024 * 1024)) && exec "$@"',
			'sh',
			process.execPath,
			...program(`
		const kind = NodeKind.create(0);
		console.log(kind.capacity < 8 * 1024 * MiB, kind.capacity > 64 * MiB);`),
		],
		{ encoding: 'utf8' },
	);
	// There is nothing to test where the machine has no more memory than that, or where Node itself does not start.
	const total = Number(/MemTotal:\s+(\d+)/.exec(readFileSync(nodeFile, 'utf8'))![1]) * 1024;
	if (limited.status === 0 || total > 8 * 2 ** 30)
		expect([limited.stdout, limited.stderr]).toEqual(['true true\n', '']);
});
