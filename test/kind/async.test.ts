// The asynchronous calls. They do what the synchronous calls do, can be watched and aborted, and leave nothing behind.
import { existsSync } from 'node:fs';
import { type Block, Kind, type KindProgress, NodeKind, PmemKind, setDaxFlagAsync } from 'daxkind';
import { expect, test } from 'vitest';
import { MIB } from '#lib/size.js';
import { testDirectory } from '../helpers/directory.ts';
import { closeAfterEach, create } from '../helpers/kinds.ts';
import { holdings, namelessFiles, runChild, until } from '../helpers/process.ts';
import { Thread } from '../helpers/thread.ts';

// Faulting in so much memory takes some hundred milliseconds.
const much = 384 * MIB;
const directory = testDirectory();
closeAfterEach();

const code = (code: string) => expect.objectContaining({ code });
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Calls a function, then waits until this process has no more of the kinds' files and mappings than before. */
async function leavesNothing(run: () => Promise<unknown>): Promise<void> {
	const { mappings } = holdings();
	const files = namelessFiles(directory).length;
	await run();
	globalThis.gc!();
	await until(() => holdings().mappings <= mappings);
	expect(namelessFiles(directory)).toHaveLength(files);
}

test('createAsync makes the kind that create makes', async () => {
	await using kind = await PmemKind.createAsync(directory, { maxSize: 17 * MIB, policy: 'conservative' });
	expect(kind).toBeInstanceOf(PmemKind);
	expect(kind.capacity).toBe(18 * MIB);
	expect(kind.path).toBe(directory);
	const block = kind.malloc(5).fill(1);
	expect(Kind.of(block)).toBe(kind);
});

test('createAsync rejects what create throws, never throws itself, and leaves nothing', async () => {
	await leavesNothing(async () => {
		for (const [args, expected] of [
			[[`${directory}/missing`], 'ENOENT'],
			[[directory, { maxSize: 1 }], 'ERR_OUT_OF_RANGE'],
			[[7], 'ERR_INVALID_ARG_TYPE'],
			[[directory, null], 'ERR_INVALID_ARG_TYPE'],
			[[directory, { signal: {} }], 'ERR_INVALID_ARG_TYPE'],
			[[directory, { onProgress: 1 }], 'ERR_INVALID_ARG_TYPE'],
			[[directory, { requireDax: true }], 'ERR_DAXKIND_NOT_DAX'],
			[[directory, { mapSync: true }], 'ENOTSUP'],
		] as const) {
			const made = (PmemKind.createAsync as (...args: unknown[]) => Promise<PmemKind>)(...args);
			await expect(made).rejects.toEqual(code(expected));
		}
	});
});

test('prefault takes all storage, reports how far it is, and leaves the event loop free', async () => {
	for (const start of [
		(onProgress: (progress: KindProgress) => void) =>
			PmemKind.createAsync(directory, { maxSize: much, prefault: true, onProgress }),
		async (onProgress: (progress: KindProgress) => void) => {
			const kind = create(directory, { maxSize: much });
			await kind.prefaultAsync({ onProgress });
			return kind;
		},
	]) {
		const seen: KindProgress[] = [];
		let turns = 0;
		const timer = setInterval(() => turns++, 5);
		const kind = await start((progress) => seen.push(progress));
		clearInterval(timer);
		expect(kind.stats().resident).toBe(much);
		expect(turns).toBeGreaterThan(2);
		const done = seen.map(({ done }) => done);
		expect(done).toEqual(done.toSorted((a, b) => a - b));
		expect(seen.at(-1)).toEqual({ done: much, total: much });
		// Freed memory stays reserved until purge.
		kind.free(kind.malloc(much));
		expect(await kind.purgeAsync()).toBe(much);
		expect(kind.stats().resident).toBe(0);
		kind.close();
	}
});

test('purgeAsync returns what purge would, and an abort leaves what is left for the next', async () => {
	const kind = create(directory, { maxSize: 128 * MIB });
	const held = kind.malloc(MIB).fill('h');
	kind.free(kind.malloc(100 * MIB));
	kind.free(kind.malloc(100));
	const { committed } = kind.stats();
	const abort = new AbortController();
	const aborted = kind.purgeAsync({ signal: abort.signal });
	abort.abort();
	// The abort may come too late.
	const told: unknown = await aborted.catch((reason) => reason);
	expect([abort.signal.reason, committed - kind.stats().committed]).toContain(told);
	await kind.purgeAsync();
	expect(kind.stats().committed).toBeLessThanOrEqual(2 * MIB);
	expect(kind.stats().committed).toBeLessThan(committed);
	expect(kind.purge()).toBe(0);
	expect(held.toString()).toBe('h'.repeat(MIB));
	kind.free(kind.malloc(100 * MIB).fill(1));
});

test('a signal that is aborted already rejects at once, with its reason, whatever that is', async () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	await leavesNothing(async () => {
		for (const reason of [new Error('mine'), 'a word', null, 0]) {
			const signal = AbortSignal.abort(reason);
			const options = { maxSize: 16 * MIB, prefault: true, signal };
			await expect(PmemKind.createAsync(directory, options)).rejects.toBe(reason);
			await expect(kind.prefaultAsync({ signal })).rejects.toBe(reason);
			await expect(kind.purgeAsync({ signal })).rejects.toBe(reason);
		}
		await expect(kind.prefaultAsync({ signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' });
	});
	expect(kind.stats().resident).toBe(0);
});

test('an abort at any time rejects with the reason and leaves nothing, or comes too late', async () => {
	let aborts = 0;
	await leavesNothing(async () => {
		for (const wait of [0, 1, 3, 10, 30, 60, 100]) {
			for (const reason of [new Error('mine'), null]) {
				const abort = new AbortController();
				const options = { maxSize: much, prefault: true, signal: abort.signal };
				const making = PmemKind.createAsync(directory, options);
				setTimeout(() => abort.abort(reason), wait);
				const made = await making.catch((error) => ({ error }));
				if (made instanceof PmemKind) {
					made.close();
				} else {
					expect(made.error).toBe(reason);
					aborts++;
				}
			}
		}
	});
	// So much cannot be faulted in within a millisecond, so most aborts come in time.
	expect(aborts).toBeGreaterThanOrEqual(4);
});

test('the storage of a kind that is not made after all is back when the promise rejects', async () => {
	const files = namelessFiles(directory).length;
	for (const wait of [20, 30, 40, 50, 60]) {
		const options = { maxSize: much, prefault: true, signal: AbortSignal.timeout(wait) };
		await expect(PmemKind.createAsync(directory, options)).rejects.toMatchObject({ name: 'TimeoutError' });
		expect(namelessFiles(directory)).toHaveLength(files);
	}
});

test("an error of the caller is passed on as it is, also one that looks like the kind's own", async () => {
	const looks = { code: 'ENOSPC', syscall: 'fstatfs', errno: -28 };
	const canceled = { code: 'ECANCELED' };
	const makers: ((options: object) => Promise<Kind>)[] = [
		(options) => PmemKind.createAsync(directory, { maxSize: much, prefault: true, ...options }),
	];
	if (existsSync('/sys/devices/system/node/node0')) {
		makers.push((options) => NodeKind.createAsync(0, { maxSize: much, prefault: true, ...options }));
	}
	const calls = [
		...makers,
		...makers.map((make) => async (options: object) => {
			await using kind = await make({ maxSize: 16 * MIB, prefault: false });
			await kind.prefaultAsync(options);
			return kind;
		}),
	];
	await leavesNothing(async () => {
		for (const call of calls) {
			for (const properties of [looks, canceled]) {
				const mine = Object.assign(new Error('mine'), properties);
				const onProgress = () => {
					throw mine;
				};
				await expect(call({ onProgress })).rejects.toBe(mine);
				const abort = new AbortController();
				const made = call({ signal: abort.signal });
				abort.abort(mine);
				await expect(made).rejects.toBe(mine);
			}
		}
	});
});

test('a signal whose methods throw does no harm: the call ends as it would, and nothing stays behind', async () => {
	const hostile = (names: string[]) => {
		const { signal } = new AbortController();
		for (const name of names) {
			Object.defineProperty(signal, name, {
				get() {
					throw new Error('mine');
				},
			});
		}
		return signal;
	};
	const names = ['addEventListener', 'removeEventListener', 'aborted', 'reason', 'throwIfAborted'];
	const unhandled: unknown[] = [];
	const listener = (reason: unknown) => unhandled.push(reason);
	process.on('unhandledRejection', listener);
	await leavesNothing(async () => {
		for (const hidden of [...names.map((name) => [name]), names]) {
			const options = { maxSize: 16 * MIB, prefault: true, signal: hostile(hidden) };
			const kind = await PmemKind.createAsync(directory, options);
			await kind.prefaultAsync({ signal: hostile(hidden) });
			expect(await kind.purgeAsync({ signal: hostile(hidden) })).toBe(16 * MIB);
			kind.close();
			const missing = PmemKind.createAsync(`${directory}/missing`, options);
			await expect(missing).rejects.toEqual(code('ENOENT'));
			const { message } = await setDaxFlagAsync(`${directory}/missing`, true, { signal: hostile(hidden) }).catch(
				(error) => error,
			);
			expect(message).toContain('ENOENT');
		}
		// This object is no signal, though its prototype says so.
		const signal = Object.create(AbortSignal.prototype);
		const making = PmemKind.createAsync(directory, { maxSize: 16 * MIB, signal });
		await expect(making).rejects.toEqual(code('ERR_INVALID_ARG_TYPE'));
		let throws = false;
		const late = new Proxy(new AbortController().signal, {
			get(target, name) {
				if (throws) throw new Error('too late');
				return Reflect.get(target, name);
			},
		});
		const refused = PmemKind.createAsync(directory, { maxSize: 16 * MIB, signal: late });
		throws = true;
		await expect(refused).rejects.toThrow('too late');
	});
	await turn();
	process.off('unhandledRejection', listener);
	expect(unhandled).toEqual([]);
});

test('options are read once: what a getter says later counts for nothing', async () => {
	const read: string[] = [];
	const once = <Options extends object>(options: Options): Options =>
		Object.defineProperties(
			{},
			Object.fromEntries(
				Object.entries(options).map(([name, value]) => [
					name,
					{
						enumerable: true,
						get() {
							if (read.includes(name)) throw new Error(`${name} is read twice`);
							read.push(name);
							return value;
						},
					},
				]),
			),
		) as Options;
	await leavesNothing(async () => {
		const kind = PmemKind.create(directory, { maxSize: 16 * MIB });
		await kind.prefaultAsync(once({ signal: new AbortController().signal, onProgress() {} }));
		expect(read.toSorted()).toEqual(['onProgress', 'signal']);
		read.length = 0;
		await kind.purgeAsync(once({ signal: new AbortController().signal }));
		expect(read).toEqual(['signal']);
		kind.close();
		read.length = 0;
		const options = once({ maxSize: 16 * MIB, prefault: true, signal: new AbortController().signal, onProgress() {} });
		(await PmemKind.createAsync(directory, options)).close();
	});
});

test('an abort of prefault keeps the kind, and what it has reserved so far', async () => {
	const kind = create(directory, { maxSize: much });
	const held = kind.malloc(1000).fill('k');
	const abort = new AbortController();
	const job = kind.prefaultAsync({ signal: abort.signal, onProgress: () => abort.abort('enough') });
	await expect(job).rejects.toBe('enough');
	expect(held.toString()).toBe('k'.repeat(1000));
	const { resident, committed } = kind.stats();
	expect(resident).toBe(committed);
	kind.free(kind.malloc(16 * MIB));
	kind.purge();
	expect(kind.stats().resident).toBeLessThanOrEqual(2 * MIB);
});

test('what onProgress throws ends the call and is its rejection; no kind stays behind', async () => {
	for (const maxSize of [16 * MIB, much]) {
		for (const thrown of [new Error('mine'), undefined, 'a word']) {
			const onProgress = () => {
				throw thrown;
			};
			await leavesNothing(() =>
				expect(PmemKind.createAsync(directory, { maxSize, prefault: true, onProgress })).rejects.toBe(thrown),
			);
			const kind = create(directory, { maxSize });
			await expect(kind.prefaultAsync({ onProgress })).rejects.toBe(thrown);
			kind.free(kind.malloc(1000));
			kind.close();
		}
	}
});

test('close while a job runs does not wait for it, and the job ends soon', async () => {
	for (const close of [(kind: Kind) => kind.close(), (kind: Kind) => kind.closeAsync()]) {
		for (const wait of [0, 20]) {
			await leavesNothing(async () => {
				const kind = PmemKind.create(directory, { maxSize: 4 * much });
				const job = kind.prefaultAsync().then(
					() => expect.fail('prefaulted a kind that is closed'),
					(error) => error,
				);
				if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
				const start = performance.now();
				await close(kind);
				expect(kind.closed).toBe(true);
				expect(await job).toEqual(code('ERR_INVALID_STATE'));
				// It would take seconds to its end.
				expect(performance.now() - start).toBeLessThan(1000);
			});
		}
	}
});

test('a job goes on while another thread holds the kind', async () => {
	const kind = PmemKind.create(directory, { maxSize: 64 * MIB });
	const other = Kind.attach(kind.share());
	const job = kind.prefaultAsync();
	kind.close();
	await job;
	expect(other.stats().resident).toBe(64 * MIB);
	other.close();
});

test('storage stays what the books say when purge and prefault run at the same time', async () => {
	const kind = create(directory, { maxSize: much });
	const jobs = [kind.prefaultAsync(), kind.prefaultAsync()];
	let isRunning = true;
	void Promise.all(jobs).then(() => {
		isRunning = false;
	});
	const blocks: Block[] = [];
	while (isRunning) {
		kind.purge();
		await kind.purgeAsync();
		blocks.push(kind.malloc(100_000).fill(blocks.length));
		await turn();
	}
	await Promise.all(jobs);
	for (const [i, block] of blocks.entries()) {
		expect(block.equals(Buffer.alloc(block.length, i & 255))).toBe(true);
		kind.free(block);
	}
	kind.purge();
	expect(kind.stats()).toMatchObject({ committed: 0, resident: 0 });
});

test('closeAsync closes at once, gives the storage back later, and reports as close does', async () => {
	const { mappings } = holdings();
	const kind = PmemKind.create(directory, { maxSize: much, prefault: true });
	const block = kind.malloc(100);
	const closing = kind.closeAsync();
	expect([kind.closed, block.length]).toEqual([true, 0]);
	expect(() => kind.malloc(1)).toThrow(code('ERR_INVALID_STATE'));
	expect(await kind.closeAsync()).toBeUndefined();
	expect(await closing).toMatchObject({ blocks: 1, bytes: 112 });
	expect(namelessFiles(directory)).toEqual([]);
	expect(holdings().mappings).toBe(mappings);
	await expect(kind.prefaultAsync()).rejects.toEqual(code('ERR_INVALID_STATE'));
	await expect(kind.purgeAsync()).rejects.toEqual(code('ERR_INVALID_STATE'));
});

test('a worker that ends while its jobs run leaves nothing', async () => {
	await leavesNothing(async () => {
		for (const wait of [0, 5, 50]) {
			const thread = await Thread.start();
			thread.start(async ({ daxkind }, directory) => {
				const kind = daxkind.PmemKind.create(directory, { maxSize: 2 ** 27 });
				kind.free(kind.malloc(2 ** 26));
				const making = daxkind.PmemKind.createAsync(directory, { maxSize: 2 ** 27, prefault: true });
				await Promise.all([making, kind.prefaultAsync({ onProgress() {} }), kind.purgeAsync(), kind.prefaultAsync()]);
			}, directory);
			await new Promise((resolve) => setTimeout(resolve, wait));
			await thread.terminate();
		}
	});
});

for (const ending of ['process.exit(0)', 'process.exitCode = 0', 'process.kill(process.pid, "SIGKILL")']) {
	test(`a process that ends by ${ending} while its jobs run ends as it should`, () => {
		const child = runChild(
			`const kind = PmemKind.create(process.argv[1], { maxSize: ${much} });
			kind.prefaultAsync();
			kind.purgeAsync();
			PmemKind.createAsync(process.argv[1], { maxSize: ${much}, prefault: true });
			setTimeout(() => { ${ending}; }, 30);`,
			directory,
		);
		expect([child.status, child.signal]).toEqual(ending.includes('SIGKILL') ? [null, 'SIGKILL'] : [0, null]);
		expect(child.stderr).toBe('');
	});
}
