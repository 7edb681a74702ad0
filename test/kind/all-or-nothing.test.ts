// An operation that throws has changed nothing, wherever it throws. Scripts that run in the middle of an operation do
// no harm.
import { describe, expect, test } from 'vitest';
import { testDirectory } from '../helpers/directory.ts';
import { runChild } from '../helpers/process.ts';

const directory = testDirectory();

/** Runs a script in a process of its own, and returns what it prints. The script has `make` for kinds of 64 MiB. */
function run(script: string): string {
	const code = `
		import { Kind } from 'daxkind';
		const make = (options) => PmemKind.create(process.argv[1], { maxSize: 64 * 2 ** 20, ...options });
		/** Calls f with less and less of the stack left, until there is none for the call itself. */
		function atTheEndOfTheStack(f) {
			const deeper = (...padding) => { try { deeper(...padding); } catch {} f(); };
			for (let padding = 0; padding < 7; padding++) { try { deeper(...Array(padding).fill(0)); } catch {} }
		}
		${script}`;
	const { stdout, stderr } = runChild(code, directory);
	return stdout + stderr;
}

describe('near the end of the stack', () => {
	for (const [what, options, size, prepare] of [
		['a small block', '{}', 100, ''],
		['a long block', '{}', 4 * 2 ** 20, ''],
		['a block that others know', '{}', 5000, 'kind.ref(block);'],
		['a block of debug mode', '{ debug: true }', 5000, ''],
	] as const) {
		test(`a free of ${what} that throws leaves it a block, and its memory nobody else's`, () => {
			const result = run(`
				process.on('warning', () => {});
				let threw = 0, wrong = 0;
				const kind = make(${options});
				// With the cache's limits at 0, a free is a native call each time.
				const blocks = Array.from({ length: ${size > 2 ** 20 ? 12 : 400} }, () => {
					const block = kind.malloc(${size});
					${prepare}
					return block.fill(1);
				});
				const results = [];
				atTheEndOfTheStack(() => {
					const block = blocks[results.length];
					if (block === undefined) return;
					const result = { block, error: undefined };
					results[results.length] = result;
					try { kind.free(block); } catch (error) { result.error = error; }
				});
				for (const { block, error } of results) {
					if (error === undefined) { if (Kind.of(block) !== undefined) wrong++; continue; }
					threw++;
					if (!(error instanceof RangeError)) console.log(error);
					if (Kind.of(block) !== kind || block[0] !== 1) wrong++;
				}
				const held = blocks.filter((block) => Kind.of(block) === kind);
				// What a script that frees is told to be blocks is what the heap says is held.
				if (kind.stats().blocks < held.length) wrong++;
				const others = [];
				for (let other; (other = kind.tryMalloc(${size})); ) others.push(other.fill(2));
				for (const block of held) { if (block[0] !== 1) wrong++; kind.free(block); }
				for (const other of others) if (other[0] !== 2 || Kind.of(other) !== kind) wrong++;
				console.log(threw > 0, wrong);
			`);
			expect(result).toBe('true 0\n');
		});
	}

	test('no allocation that throws loses memory, and no freeRaw that throws a handle', () => {
		const result = run(`
			let threw = 0;
			const kind = make();
			const taken = [], raws = [];
			const size = (i) => i % 3 === 0 ? 64 : i % 3 === 1 ? 3000 : 50000;
			// What a call gives is kept without another call, which could throw.
			const calls = [
				(i) => { const block = kind.malloc(size(i)); taken[taken.length] = block; },
				(i) => { const block = kind.calloc(1, size(i)); taken[taken.length] = block; },
				(i) => { const block = kind.memalign(4096, size(i)); taken[taken.length] = block; },
				(i) => { const handle = kind.mallocRaw(size(i)); raws[raws.length] = handle; },
				(i) => { const handle = kind.tryMallocRaw(size(i)); raws[raws.length] = handle; },
				() => { const handle = raws[raws.length - 1]; kind.freeRaw(handle); raws.length--; },
			];
			let i = 0;
			for (let round = 1; round <= 200; round++) {
				atTheEndOfTheStack(() => {
					if (i >= 24 * round) return;
					i++;
					try { calls[i % 6](i); } catch (error) { threw++; if (!(error instanceof RangeError)) console.log(error); }
				});
				// So that many calls find the thread cache empty.
				kind.purge();
			}
			for (const handle of raws) kind.freeRaw(handle);
			for (const block of taken) kind.free(block);
			// A run whose allocation was given up is free again with the next one.
			kind.free(kind.memalign(2 ** 20, 2 ** 20));
			console.log(threw > 0, kind.stats().blocks);
		`);
		expect(result).toBe('true 0\n');
	});
});

describe('with timers that are not the runtime’s', () => {
	for (const [what, replaced] of [
		['give numbers', '(f, ms) => Number(real(f, ms))'],
		['throw', '() => { throw new Error("no timers"); }'],
	]) {
		test(`free and realloc work where timers ${what}`, () => {
			const result = run(`
				const real = globalThis.setTimeout;
				globalThis.setTimeout = globalThis.setImmediate = globalThis.clearTimeout = ${replaced};
				const kind = make({ onPressure() {}, pressureThreshold: 0.01 });
				const block = kind.malloc(4 * 2 ** 20).fill(1);
				const less = kind.realloc(block, 2 ** 20);
				const other = kind.malloc(3 * 2 ** 20).fill(2);
				console.log(less.length, less[2 ** 20 - 1], block === less, Kind.of(block), other[0]);
				kind.free(less);
				kind.free(other);
				console.log(kind.stats().blocks);
				kind.close();
			`);
			expect(result).toBe('1048576 1 false undefined 2\n0\n');
		});
	}
});

test('a script that node:vm ends in the middle of calls leaves no block whose memory is another one’s', () => {
	const result = run(`
		import vm from 'node:vm';
		const kind = make();
		const held = new Map();
		const state = { block: undefined, value: 0 };
		const context = vm.createContext({ kind, held, state });
		const script = new vm.Script(\`{
			const sizes = [16, 100, 3000, 9000, 50000, 400000, 2000000];
			for (let i = 0, value = 1; ; i++) {
				state.block = undefined;
				const block = kind.tryMalloc(sizes[i % 7]);
				if (block) { value = (value % 250) + 1; block.fill(value); if (i % 3 === 0) kind.ref(block); held.set(block, value); }
				if (!block || held.size > 60) {
					const [old, its] = held.entries().next().value;
					state.value = its; state.block = old;
					held.delete(old);
					if (i % 5) kind.free(old);
					else { const moved = kind.realloc(old, sizes[(i + 3) % 7]); state.block = undefined; moved.fill(its); held.set(moved, its); }
				}
				if (i % 2) { const handle = kind.tryMallocRaw(sizes[i % 7]); if (handle) kind.freeRaw(handle); }
			}
		}\`);
		let wrong = 0, ended = 0;
		for (let round = 0; round < 200; round++) {
			try { script.runInContext(context, { timeout: 1 + (round % 4) }); } catch (error) { if (error.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') ended++; else if (error.code !== 'ERR_DAXKIND_OUT_OF_MEMORY') { wrong++; console.log(error); } }
			if (state.block !== undefined && Kind.of(state.block) === kind) held.set(state.block, state.value);
			if (round % 20 < 19) continue;
			for (const [block, value] of held) if (block.length > 0 && (block[0] !== value || block[block.length - 1] !== value)) wrong++;
			for (const [block] of held) { try { kind.free(block); } catch (error) { wrong++; console.log(error.code); } }
			held.clear();
		}
		console.log(ended > 0, wrong);
	`);
	expect(result).toBe('true 0\n');
});

describe('a script that runs in the middle of a call', () => {
	test('closes the kind and makes another one from Error.prepareStackTrace: the call fails', () => {
		const result = run(`
			const kind = make({ debug: true });
			let other, block;
			Error.prepareStackTrace = () => {
				Error.prepareStackTrace = undefined;
				kind.close();
				other = make();
				block = other.malloc(4096).fill(1);
				return 'x';
			};
			try { kind.malloc(100); } catch (error) { console.log(error.code); }
			console.log(other.stats().blocks, block[0]);
		`);
		expect(result).toBe('ERR_INVALID_STATE\n1 1\n');
	});

	for (const change of [
		'Error.prepareStackTrace = () => { throw new Error("mine"); }',
		'Error.prepareStackTrace = (error, sites) => sites.length',
		'Error.stackTraceLimit = "x"',
		'Error.captureStackTrace = () => { throw new Error("mine"); }',
	]) {
		test(`debug mode works after ${change}`, () => {
			const result = run(`
				const kind = make({ debug: true });
				${change};
				const block = kind.realloc(kind.malloc(100), 200);
				kind.free(block);
				console.log(kind.stats().blocks);
			`);
			expect(result).toBe('0\n');
		});
	}

	for (const [object, name] of [
		['Object', "'values'"],
		['Array.prototype', 'Symbol.iterator'],
		['Set.prototype', 'Symbol.iterator'],
		['WeakRef.prototype', "'deref'"],
	]) {
		test(`allocates from what stands in the place of ${object}[${name}], while mallocRaw does: the places are two`, () => {
			const result = run(`
				const kind = make();
				kind.mallocRaw(16);
				const places = new Float64Array(400_000);
				let count = 0, isInside = false;
				const original = ${object}[${name}];
				${object}[${name}] = function (...args) {
					if (!isInside) {
						isInside = true;
						places[count++] = kind.malloc(16).byteOffset;
						isInside = false;
					}
					return original.apply(this, args);
				};
				for (let i = 0; i < 100_000; i++) {
					try {
						places[count] = kind.view(kind.mallocRaw(16)).byteOffset;
						count += 1;
					} catch (error) {
						if (error.code !== 'ERR_INVALID_STATE') throw error;
					}
				}
				${object}[${name}] = original;
				const used = places.subarray(0, count);
				console.log(new Set(used).size === count, count >= 99_000);
			`);
			expect(result).toBe('true true\n');
		});
	}

	test('makes another kind from emitWarning while one closes: both are what they were', () => {
		const result = run(`
			const kind = make({ debug: true });
			kind.malloc(10);
			const emitWarning = process.emitWarning;
			let other;
			process.emitWarning = () => {
				process.emitWarning = emitWarning;
				kind.close();
				other = make();
				other.malloc(100);
			};
			console.log(kind.close().blocks, kind.closed, other.stats().blocks);
		`);
		expect(result).toBe('1 true 1\n');
	});

	test('says that a closed kind is open: closing it again closes no other', () => {
		const result = run(`
			const kind = make();
			kind.close();
			const other = make();
			const block = other.malloc(1000).fill(7);
			Object.defineProperty(kind, 'closed', { value: false });
			console.log(kind.close(), other.closed, other.stats().blocks, block[0]);
		`);
		expect(result).toBe('undefined false 1 7\n');
	});

	test('frees, in onPressure, the block that realloc has in hand: a double free', () => {
		const result = run(`
			let victim;
			const fill = (size) => { while (kind.tryMalloc(size)); };
			const kind = PmemKind.create(process.argv[1], { maxSize: 16 * 2 ** 20, onPressure({ reason }) {
				if (reason !== 'out-of-memory' || victim === undefined) return;
				const block = victim;
				victim = undefined;
				kind.free(block);
				for (const size of [1024, 16]) fill(size);
			} });
			const block = kind.malloc(60 * 1024);
			for (const size of [20 * 1024, 9 * 1024, 1024, 16]) fill(size);
			victim = block;
			try { kind.realloc(block, 700); } catch (error) { console.log(error.code); }
			victim = undefined;
			const [{ blocks }] = [kind.stats()];
			try { kind.free(block); } catch (error) { console.log(error.code, kind.stats().blocks === blocks); }
		`);
		expect(result).toBe('ERR_DAXKIND_DOUBLE_FREE\nERR_DAXKIND_DOUBLE_FREE true\n');
	});
});
