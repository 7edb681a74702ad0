// Kinds over device-DAX devices, and over the memory of nodes that such devices became.
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type Block, DeviceKind, type Kind, NodeKind, OutOfMemoryError } from 'daxkind';
import { getDevice, offlineMemoryAsync, reconfigureDeviceAsync } from 'daxkind/device';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { MIB } from '#lib/size.js';
import { execFileSync, spawn } from '../helpers/children.ts';
import { devdax, hmem } from '../helpers/guest.ts';
import { has, sh } from '../helpers/scratch.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { Thread } from '../helpers/thread.ts';

/** Runs a program in a process of its own until it prints something. `end` then lets it go on to its end. */
async function started(program: string, env: Record<string, string> = {}) {
	const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
		stdio: ['pipe', 'pipe', 'pipe'],
		env: { ...process.env, ...env },
	});
	let said = '';
	child.stderr.setEncoding('utf8').on('data', (text) => {
		said += text;
	});
	const ended = new Promise<{ status: number | null; signal: string | null }>((resolve) =>
		child.once('close', (status, signal) => resolve({ status, signal })),
	);
	const first = await Promise.race([
		new Promise<string>((resolve) =>
			child.stdout.setEncoding('utf8').once('data', (text) => resolve(`${text}`.trim())),
		),
		ended.then(() => said),
	]);
	return { child, first, ended, end: () => child.stdin.end('go\n') };
}

describe('DeviceKind', () => {
	const kinds: Kind[] = [];
	const create = (...args: Parameters<typeof DeviceKind.create>) => {
		const kind = DeviceKind.create(...args);
		kinds.push(kind);
		return kind;
	};
	afterEach(() => {
		for (const kind of kinds.splice(0)) kind.close();
	});
	const { size, align } = getDevice(devdax) as { size: number; align: number };

	test('has all of a device, every byte of it, and keeps it', () => {
		const kind = create(devdax);
		expect(kind).toMatchObject({ capacity: size, path: devdax, dax: true });
		expect(kind.stats()).toMatchObject({ capacity: size, resident: size, committed: size });
		const blocks: Block[] = [];
		for (let block = kind.tryMalloc(MIB); block !== undefined; block = kind.tryMalloc(MIB)) blocks.push(block);
		expect(blocks.length).toBe(Math.floor(size / MIB));
		blocks.forEach((block, n) => void block.fill(n & 255));
		expect(blocks.every((block, n) => block[0] === (n & 255) && block[MIB - 1] === (n & 255))).toBe(true);
		expect(kind.purge()).toBe(0);
		expect(() => kind.malloc(MIB)).toThrow(OutOfMemoryError);
		for (const block of blocks) kind.free(block);
		expect(kind.stats()).toMatchObject({ blocks: 0, resident: size });
	});

	test('has a part of a device, and another kind the rest', () => {
		const first = create(devdax, { size: 4 * align });
		const second = create(devdax, { offset: 4 * align });
		expect(first.capacity + second.capacity).toBe(size);
		const [one, other] = [first.malloc(8 * MIB), second.malloc(8 * MIB)];
		one.fill(1);
		other.fill(2);
		expect(one.every((byte) => byte === 1)).toBe(true);
	});

	test('locks its bytes against kinds of this process and others', async () => {
		create(devdax, { offset: align, size: align });
		const busy = expect.objectContaining({
			code: 'ERR_DAXKIND_DEVICE_BUSY',
			path: devdax,
			remedy: expect.stringContaining('offset'),
		});
		expect(() => create(devdax)).toThrow(busy);
		create(devdax, { size: align });
		const program = `import { DeviceKind } from 'daxkind';
			try { DeviceKind.create('${devdax}', { offset: ${align} }); } catch ({ code, message }) { console.log(code, message); }`;
		const { first, ended } = await started(program);
		expect(first).toMatch(new RegExp(`^ERR_DAXKIND_DEVICE_BUSY .*process ${process.pid}`));
		await ended;
	});

	test('frees its lock when it is closed, or its process ends', async () => {
		const { first, child, ended } = await started(
			`import { DeviceKind } from 'daxkind'; const kind = DeviceKind.create('${devdax}'); console.log('open'); setInterval(() => {}, 1000);`,
		);
		expect(first).toBe('open');
		expect(() => create(devdax)).toThrow(expect.objectContaining({ code: 'ERR_DAXKIND_DEVICE_BUSY' }));
		child.kill('SIGKILL');
		await ended;
		create(devdax).close();
		create(devdax);
	});

	test('hands out what was there before by malloc alone, and not with scrub', () => {
		const mark = Buffer.from('old tenant ');
		const first = create(devdax, { size: 8 * align });
		first.malloc(8 * align).fill(mark);
		first.close();
		const second = create(devdax, { size: 8 * align });
		expect(second.calloc(1, 4 * MIB).every((byte) => byte === 0)).toBe(true);
		expect(second.malloc(4 * MIB).includes(mark)).toBe(true);
		second.close();
		const third = create(devdax, { size: 8 * align, scrub: true });
		expect(third.malloc(8 * align).every((byte) => byte === 0)).toBe(true);
	});

	test('is made by a thread of its own that says how far it is', async () => {
		const seen: number[] = [];
		const kind = await DeviceKind.createAsync(devdax, { scrub: true, onProgress: ({ done }) => seen.push(done) });
		expect(seen.at(-1)).toBe(kind.capacity);
		await expect(DeviceKind.createAsync(devdax)).rejects.toMatchObject({ code: 'ERR_DAXKIND_DEVICE_BUSY' });
		await kind.closeAsync();
		(await DeviceKind.createAsync(devdax, { prefault: true })).close();
	});

	test('is shared with threads, and has raw handles', async () => {
		const kind = create(devdax);
		const handle = kind.mallocRaw(1000);
		kind.view(handle).fill(7);
		const reference = kind.ref(kind.malloc(100).fill(5));
		const thread = await Thread.start(kind.share());
		const seen = thread.run(
			({ kind }, { reference, handle }) => {
				const block = kind.deref(reference);
				const seen = [kind.constructor.name, block[0], kind.view(handle)[999], (kind as DeviceKind).dax];
				kind.free(block);
				kind.close();
				return seen;
			},
			{ reference, handle },
		);
		expect(await seen).toEqual(['DeviceKind', 5, 7, true]);
		await thread.end();
		kind.freeRaw(handle);
		expect(kind.stats().blocks).toBe(0);
	});

	test('has a debug mode', () => {
		const kind = create(devdax, { debug: true });
		const block = kind.malloc(10);
		kind.free(block);
		expect(block.length).toBe(0);
		expect(() => kind.free(block)).toThrow(expect.objectContaining({ code: 'ERR_DAXKIND_DOUBLE_FREE' }));
	});

	test.each([
		['an offset that is not aligned', { offset: 4096 }, 'ERR_OUT_OF_RANGE'],
		['a size that is not aligned', { size: 4096 }, 'ERR_OUT_OF_RANGE'],
		['an offset behind the end', { offset: 2 ** 40 }, 'ERR_OUT_OF_RANGE'],
		['a size beyond the end', { size: 2 ** 40 }, 'ERR_OUT_OF_RANGE'],
		['an option that there is not', { scrubs: true }, 'ERR_INVALID_ARG_VALUE'],
	])('refuses %s', (_, options, code) => {
		expect(() => create(devdax, options as object)).toThrow(expect.objectContaining({ code }));
	});

	test('refuses what is no device, or has no driver, or is system RAM, and says what to do', async () => {
		expect(() => create('/dev/null')).toThrow(
			expect.objectContaining({ code: 'ERR_DAXKIND_NO_DEVICE', path: '/dev/null' }),
		);
		expect(() => create('/dev/dax99.0')).toThrow(expect.objectContaining({ code: 'ERR_DAXKIND_NO_DEVICE' }));
		const driver = '/sys/bus/dax/drivers/device_dax';
		writeFileSync(`${driver}/unbind`, basename(devdax));
		const disabled = { code: 'ERR_DAXKIND_WRONG_MODE', path: devdax, remedy: expect.stringContaining('enable-device') };
		expect(() => create(devdax)).toThrow(expect.objectContaining(disabled));
		writeFileSync(`${driver}/bind`, basename(devdax));
		await reconfigureDeviceAsync(devdax, 'system-ram', { online: false, force: true });
		try {
			const ram = { code: 'ERR_DAXKIND_WRONG_MODE', remedy: expect.stringContaining('NodeKind.create') };
			expect(() => create(devdax)).toThrow(expect.objectContaining(ram));
		} finally {
			await reconfigureDeviceAsync(devdax, 'devdax', { force: true });
		}
	});

	test('needs no root where the node’s permissions allow it', async () => {
		const user = ['--reuid', '65534', '--regid', '65534', '--clear-groups'];
		const program = `import { DeviceKind } from 'daxkind';
			try { const kind = DeviceKind.create('${devdax}'); kind.malloc(10); kind.close(); console.log('done'); }
			catch ({ code, syscall, remedy }) { console.log(code, syscall, remedy); }`;
		const run = () =>
			sh(`setpriv ${user.join(' ')} ${process.execPath} --input-type=module -e "${program.replaceAll('\n', ' ')}"`);
		expect(run()).toMatch(/^EACCES open .*SUBSYSTEM=="dax"/);
		sh(`chmod 666 ${devdax}`);
		try {
			expect(run()).toBe('done');
		} finally {
			sh(`chmod 600 ${devdax}`);
		}
	});

	test('goes on in ordinary memory when its device is unbound under it, and says so', async () => {
		const { first, end, ended } = await started(`
			import { DeviceKind } from 'daxkind';
			import assert from 'node:assert';
			// What is lost does not keep the event loop alive.
			setTimeout(() => {}, 60_000);
			const told = new Promise((resolve) => {
				// The free memory of that unit is lost, too.
				const onMediaError = (error) => error.sort === 'block' && resolve(error);
				const kind = DeviceKind.create('${devdax}', { onMediaError });
				const block = kind.malloc(100).fill(1);
				console.log('open');
				process.stdin.once('data', () => {
					// All of the device's alignment unit is zeros, and what is stored there stays.
					assert.deepEqual([...block.subarray(0, 2)], [0, 0]);
					block.fill(2);
					assert.equal(block[99], 2);
				});
			});
			const { cause, sort, length } = await told;
			assert.deepEqual([cause, sort, length], ['removed', 'block', 112]);
			process.exit(0);`);
		expect(first).toBe('open');
		writeFileSync('/sys/bus/dax/drivers/device_dax/unbind', basename(devdax));
		end();
		const how = await ended;
		writeFileSync('/sys/bus/dax/drivers/device_dax/bind', basename(devdax));
		expect(how).toEqual({ status: 0, signal: null });
		create(devdax);
	});

	test('without a node in /dev is refused, whatever there is of that name in the directory', () => {
		const { major, minor } = getDevice(devdax);
		const program = `import { DeviceKind } from 'daxkind';
			for (const name of ['${basename(devdax)}', '${devdax}']) {
				try { DeviceKind.create(name); } catch ({ code, path, remedy }) { console.log(code, path, remedy); }
			}`;
		const hide = `mount -t tmpfs none /dev && cd ${temporaryDirectory()} && touch ${basename(devdax)} && exec "$@"`;
		const source = program.replace("'daxkind'", JSON.stringify(`${process.cwd()}/dist/index.js`));
		const args = ['--mount', 'sh', '-c', hide, 'sh', process.execPath, '--input-type=module', '-e', source];
		const line = `ERR_DAXKIND_NO_DEVICE ${devdax} mknod ${devdax} c ${major} ${minor}; in a container: docker run --device ${devdax}\n`;
		expect(execFileSync('unshare', args, { encoding: 'utf8' })).toBe(line + line);
	});

	test.skipIf(!has('python3'))('is refused to a process with huge pages disabled', () => {
		const program = `import { DeviceKind } from 'daxkind';
			try { DeviceKind.create('${devdax}'); } catch ({ code, syscall, remedy }) { console.log(code, syscall, remedy); }`;
		// PR_SET_THP_DISABLE. Programs inherit it.
		const disabled = `import ctypes, os, sys; ctypes.CDLL(None).prctl(41, 1, 0, 0, 0); os.execv(sys.argv[1], sys.argv[1:])`;
		const args = ['-c', disabled, process.execPath, '--input-type=module', '-e', program];
		expect(execFileSync('python3', args, { encoding: 'utf8' })).toMatch(/^ENOTSUP prctl .*PR_SET_THP_DISABLE/);
	});
});

test.skipIf(!has('cc'))(
	'whichever system call of a device kind fails, there is an error that names it, and nothing is left behind',
	() => {
		const directory = temporaryDirectory();
		const [library, orders] = [join(temporaryDirectory(), 'preload-faults.so'), join(directory, 'orders')];
		sh(`cc -shared -fPIC -O1 -o ${library} test/native/preload-faults.c`);
		writeFileSync(orders, Buffer.alloc(24));
		const said = execFileSync(process.execPath, ['--expose-gc', 'test/native/addon-faults.mjs', directory, devdax], {
			encoding: 'utf8',
			env: { ...process.env, LD_PRELOAD: library, DAXKIND_FAULTS: orders },
		});
		expect(said).toMatch(/^\d+ lives, each with another failure$/m);
	},
);

describe('NodeKind on the memory of a device', () => {
	let node = 0;
	beforeAll(async () => {
		const { device } = await reconfigureDeviceAsync(hmem, 'system-ram', { force: true });
		node = device.targetNode!;
	});
	afterAll(async () => {
		await reconfigureDeviceAsync(hmem, 'devdax', { force: true });
	});

	/** How many bytes of this process's memory are on a node, as numa_maps says. */
	const onNode = (number: number) =>
		[
			...readFileSync('/proc/self/numa_maps', 'utf8').matchAll(
				new RegExp(`^.* bind=static:${number}\\b.* N${number}=(\\d+).*kernelpagesize_kB=(\\d+)`, 'gm'),
			),
		].reduce((all, [, pages, kib]) => all + Number(pages) * Number(kib) * 1024, 0);

	test.each([
		['by its number', () => NodeKind.create(node, { maxSize: 32 * MIB })],
		['by kmem', () => NodeKind.create('kmem', { maxSize: 32 * MIB })],
		['by the nearest of kmem', () => NodeKind.create('kmem', { nearest: true, maxSize: 32 * MIB })],
	])('has its memory on the node: %s', (_, create) => {
		const kind = create();
		expect(kind).toMatchObject({ requestedNodes: [node], policy: 'bind', capacity: 32 * MIB });
		const block = kind.malloc(16 * MIB).fill(3);
		const [use, ...others] = kind.nodes();
		expect(others).toEqual([]);
		expect(use).toMatchObject({ node });
		expect(use!.bytes).toBeGreaterThanOrEqual(16 * MIB);
		expect(onNode(node)).toBeGreaterThanOrEqual(16 * MIB);
		expect(block.every((byte) => byte === 3)).toBe(true);
		kind.close();
	});

	/** How many bytes a node has in all. */
	function capacityOf(number: number): number {
		const kind = NodeKind.create(number);
		kind.close();
		return kind.capacity;
	}

	test('a full node is an OutOfMemoryError, and the process lives', async () => {
		const kind = NodeKind.create(node);
		const blocks: Block[] = [];
		const fill = () => {
			for (;;) blocks.push(kind.malloc(4 * MIB).fill(blocks.length));
		};
		expect(fill).toThrow(expect.objectContaining({ name: 'OutOfMemoryError', reason: 'node-full' }));
		expect(blocks.length * 4 * MIB).toBeGreaterThan(kind.capacity / 2);
		expect(blocks.every((block, n) => block[0] === n && block.at(-1) === n)).toBe(true);
		expect(kind.nodes().map(({ node: at }) => at)).toEqual([node]);
		kind.close();
		// The next kind can have what this one had.
		const next = NodeKind.create(node, { maxSize: 64 * MIB, prefault: true });
		expect(next.nodes()).toEqual([{ node, bytes: 64 * MIB }]);
		next.close();
	});

	test('prefault of more than there is fails, and leaves nothing behind', async () => {
		const capacity = capacityOf(node);
		const full = expect.objectContaining({ code: 'ERR_DAXKIND_NODE_FULL', remedy: expect.stringContaining('maxSize') });
		expect(() => NodeKind.create(node, { maxSize: 2 * capacity, prefault: true })).toThrow(full);
		await expect(NodeKind.createAsync(node, { maxSize: 2 * capacity, prefault: true })).rejects.toEqual(full);
		NodeKind.create(node, { maxSize: 64 * MIB, prefault: true }).close();
	});

	test('preferred goes on where the node is full', () => {
		const kind = NodeKind.create(node, { policy: 'preferred', maxSize: 2 * capacityOf(node) });
		const blocks: Block[] = [];
		while (blocks.length * 4 * MIB < kind.capacity * 0.6) blocks.push(kind.malloc(4 * MIB).fill(1));
		expect(
			kind
				.nodes()
				.map(({ node: at }) => at)
				.sort(),
		).toEqual([0, node].sort());
		kind.close();
	});

	test('interleave takes from each node in turn', () => {
		const kind = NodeKind.create([0, node], { policy: 'interleave', maxSize: 64 * MIB, hugePages: 'never' });
		kind.malloc(32 * MIB).fill(1);
		const uses = kind.nodes();
		expect(uses).toHaveLength(2);
		for (const { bytes } of uses) expect(bytes).toBeGreaterThan(12 * MIB);
		kind.close();
	});

	test('what is on each node is told of more than is looked at, too', () => {
		const kind = NodeKind.create([0, node], { policy: 'interleave', maxSize: 192 * MIB, hugePages: 'never' });
		kind.malloc(160 * MIB);
		const uses = kind.nodes();
		expect(uses).toHaveLength(2);
		for (const { bytes } of uses) expect(Math.abs(bytes - 80 * MIB)).toBeLessThan(8 * MIB);
		kind.close();
	});

	test('what was freed goes back to the node', () => {
		const kind = NodeKind.create(node, { maxSize: 64 * MIB });
		const block = kind.malloc(32 * MIB).fill(1);
		kind.free(block);
		expect(kind.purge()).toBeGreaterThanOrEqual(32 * MIB);
		expect(kind.stats().resident).toBeLessThan(4 * MIB);
		kind.close();
	});

	test('when the memory goes offline it is elsewhere, whole, and the kind says so', async () => {
		const kind = NodeKind.create(node, { maxSize: 32 * MIB });
		const block = kind.malloc(16 * MIB).fill(9);
		await offlineMemoryAsync(hmem);
		expect(block.every((byte) => byte === 9)).toBe(true);
		const warned = new Promise<Error & { code?: string }>((resolve) => process.once('warning', resolve));
		expect(kind.nodes().map(({ node: at }) => at)).not.toContain(node);
		expect(await warned).toMatchObject({ code: 'DAXKIND_MEMORY_MOVED', message: expect.stringContaining('on node 0') });
		kind.close();
		expect(() => NodeKind.create('kmem')).toThrow(
			expect.objectContaining({ code: 'ERR_DAXKIND_NO_KMEM', remedy: expect.stringContaining('online-memory') }),
		);
		expect(() => NodeKind.create(node)).toThrow(
			expect.objectContaining({ code: 'ERR_DAXKIND_NO_NODE', remedy: expect.any(String) }),
		);
		await reconfigureDeviceAsync(hmem, 'system-ram', { force: true });
	});

	test('when the node comes back, also as another one, a kind that was there before has memory of it again', async () => {
		const kind = NodeKind.create(node, { maxSize: 64 * MIB });
		const first = kind.malloc(4 * MIB).fill(1);
		await reconfigureDeviceAsync(hmem, 'devdax', { force: true });
		expect(() => kind.malloc(16 * MIB)).toThrow(expect.objectContaining({ reason: 'node-full' }));
		await reconfigureDeviceAsync(hmem, 'system-ram');
		await new Promise((resolve) => setTimeout(resolve, 300));
		kind.malloc(16 * MIB).fill(2);
		const onIt = kind.nodes().find(({ node: at }) => at === node);
		expect(onIt!.bytes).toBeGreaterThanOrEqual(16 * MIB);
		expect(first[0]).toBe(1);
		kind.close();
	});
});
