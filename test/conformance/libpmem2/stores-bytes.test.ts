import { mapAnonymous, type PmemGranularity } from 'daxkind';
import { expect, onTestFinished, test } from 'vitest';
import { KIB } from '#lib/size.js';
import { spawnSync } from '../../helpers/children.ts';
import { map, zeroFile } from '../../helpers/mappings.ts';
import { forcing, pmemEnvironment } from '../../helpers/pmem-environment.ts';

const alignments = 65;
const lengths = 1025;

/**
 * Stores in all places and lengths, `step` alignments apart, and compares the first 4 KiB of the mapping each time. It
 * prints how many stores there were, and the first that was wrong.
 *
 * Moves go by each distance: far away, and so near that the ranges overlap, in both directions.
 */
const program = `
	import { mapFile } from 'daxkind';
	const mapping = mapFile(process.argv[1]);
	const { options, step } = JSON.parse(process.argv[2]);
	const background = Buffer.alloc(4096);
	for (let at = 0, value = 1; at < 4096; at++) background[at] = value = (value * 75 + 74) % 65537;
	const source = Buffer.from(background).reverse();
	const area = mapping.buffer.subarray(0, 4096);
	const expected = Buffer.alloc(4096);
	let stores = 0;
	let wrong = null;
	const check = (name, to, length, from, real, model) => {
		background.copy(area);
		background.copy(expected);
		real();
		model();
		stores += 1;
		if (wrong === null && !area.equals(expected)) wrong = { name, to, length, from };
	};
	for (let alignment = 0; alignment < ${alignments}; alignment += step) {
		for (let length = 0; length < ${lengths}; length++) {
			const to = 1536 + alignment;
			const skew = (alignment * 7 + length) % 64;
			const part = source.subarray(skew, skew + length);
			check('write', to, length, skew, () => mapping.write(to, part, options), () => part.copy(expected, to));
			check('fill', to, length, 0, () => mapping.fill(to, length & 255, length, options), () =>
				expected.fill(length & 255, to, to + length));
			for (const from of [skew, to - 1 - skew, to + 1 + skew, to - 64, to]) {
				check('move', to, length, from, () => mapping.move(to, from, length, options), () =>
					expected.copyWithin(to, from, from + length));
			}
		}
	}
	console.log(JSON.stringify({ stores, wrong }));`;

interface Variant {
	granularity?: PmemGranularity;
	environment?: Record<string, string>;
	options?: object;
	/** How many alignments apart the stores are. */
	step?: number;
}

function outcome({ granularity = 'cache-line', environment, options, step = 1 }: Variant) {
	const words = ['--input-type=module', '-e', program, zeroFile(4 * KIB), JSON.stringify({ options, step })];
	const { status, signal, stdout, stderr } = spawnSync(process.execPath, words, {
		env: pmemEnvironment({ ...forcing(granularity), ...environment }),
		encoding: 'utf8',
	});
	if (status !== 0) throw new Error(`the process ended with ${status ?? signal}: ${stderr}`);
	return JSON.parse(stdout);
}

const correct = (step = 1) => ({ stores: Math.ceil(alignments / step) * lengths * 7, wrong: null });

test.each<[libpmem2: string, variant: Variant]>([
	['TEST0, all defaults', {}],
	['PMEM_NO_MOVNT=1', { environment: { PMEM_NO_MOVNT: '1' } }],
	['PMEM_AVX512F=0', { environment: { PMEM_AVX512F: '0' } }],
	['PMEM_AVX512F=0 PMEM_AVX=0', { environment: { PMEM_AVX512F: '0', PMEM_AVX: '0' } }],
	['PMEM_MOVNT_THRESHOLD=0', { environment: { PMEM_MOVNT_THRESHOLD: '0' } }],
	['PMEM_MOVNT_THRESHOLD=99999', { environment: { PMEM_MOVNT_THRESHOLD: '99999' } }],
	['PMEM_NO_CLWB=1 PMEM_NO_CLFLUSHOPT=1', { environment: { PMEM_NO_CLWB: '1', PMEM_NO_CLFLUSHOPT: '1' } }],
	[
		'variables that daxkind does not have',
		{ environment: { PMEM_WC_WORKAROUND: '1', PMEM_NO_GENERIC_MEMCPY: '1', PMEM_MOVDIR64B: '1' }, step: 13 },
	],
	['byte granularity', { granularity: 'byte' }],
	['byte granularity, past the caches', { granularity: 'byte', options: { hint: 'non-temporal' } }],
	['page granularity', { granularity: 'page', step: 13 }],
])(
	'memcpy, memmove and memset, %s: the range gets its bytes at each alignment and length, and no byte beside it changes',
	(_, variant) => {
		expect(outcome(variant)).toEqual(correct(variant.step));
	},
);

const each = [true, false];
const hints = [undefined, 'temporal', 'non-temporal'];
const combinations = each.flatMap((persist) =>
	each.flatMap((drain) => hints.map((hint) => ({ persist, drain, ...(hint !== undefined && { hint }) }))),
);

test.each(combinations)('PMEM2_F_MEM_*: with %o the same bytes are stored', (options) => {
	expect(outcome({ options, step: 32 })).toEqual(correct(32));
});

// The offsets, lengths and overlaps of pmem2_memcpy, pmem2_memmove and pmem2_memset, in a long mapping.

test.each([
	[0, 0],
	[7, 0],
	[7, 9],
	[0, 9],
])('pmem2_memcpy: 4 KiB to an offset of %d from one of %d in another mapping', (to, from) => {
	const [target, source] = [map(zeroFile(64 * KIB)), map(zeroFile(64 * KIB))];
	source.buffer.fill('abcdefg');
	target.write(to, source.at(from, 4 * KIB));
	expect(target.at(to, 4 * KIB).equals(source.at(from, 4 * KIB))).toBe(true);
	expect(target.buffer.subarray(0, to).every((byte) => byte === 0)).toBe(true);
	expect(target.buffer.subarray(to + 4 * KIB).every((byte) => byte === 0)).toBe(true);
});

test.each([
	[0, 8 * KIB, 4096],
	[0, 8 * KIB + 7, 4096],
	[7, 8 * KIB + 13, 4096],
	[0, 23, 4096],
	[21, 8 * KIB, 4096],
	[13, 20, 4096],
	[33, 0, 2048],
	[20, 0, 4096],
	[63, 8 * KIB, 4],
	[2, 0, 8],
	[64, 0, 32 * KIB],
	[0, 64, 32 * KIB],
	[1, 0, 32 * KIB],
	[0, 1, 32 * KIB],
	[100, 100, 4096],
])('pmem2_memmove: to %d from %d, %d bytes arrive whole, however they overlap', (to, from, length) => {
	const mapping = map(zeroFile(64 * KIB));
	for (let at = 0; at < mapping.length; at++) mapping.buffer[at] = (at * 7) % 251;
	const expected = Buffer.from(mapping.buffer);
	mapping.move(to, from, length);
	expected.copyWithin(to, from, from + length);
	expect(mapping.buffer.equals(expected)).toBe(true);
});

test.each([
	[0, 8],
	[13, 4096],
	[1, 64 * KIB - 1],
])('pmem2_memset: from %d on, %d bytes have the value', (offset, length) => {
	const mapping = map(zeroFile(64 * KIB));
	for (const value of [0x5a, 0, 255]) {
		mapping.fill(offset, value, length);
		const expected = Buffer.alloc(64 * KIB).fill(value, offset, offset + length);
		expect(mapping.buffer.equals(expected)).toBe(true);
	}
});

test('pmem2_memcpy: every sort of view is a source, and only its own bytes are copied', () => {
	const mapping = map(zeroFile(4 * KIB));
	const memory = Uint8Array.from({ length: 64 }, (_, n) => n).buffer;
	const views = [
		new Uint8Array(memory, 8, 16),
		Buffer.from(memory, 8, 16),
		new DataView(memory, 8, 16),
		new Float64Array(memory, 8, 2),
		new BigInt64Array(memory, 8, 2),
		new Uint16Array(memory, 8, 8),
		new Uint8ClampedArray(memory, 8, 16),
	];
	for (const view of views) {
		mapping.fill(0, 255);
		mapping.write(100, view);
		expect([...mapping.at(99, 18)]).toEqual([255, ...Array.from({ length: 16 }, (_, n) => 8 + n), 255]);
	}
});

test('pmem2_memcpy: shared memory and memory that can grow are sources, and a detached one has no bytes', () => {
	const mapping = map(zeroFile(4 * KIB));
	mapping.write(0, new Uint8Array(new SharedArrayBuffer(4)).fill(1));
	const Growing = ArrayBuffer as unknown as new (length: number, options: object) => ArrayBuffer;
	mapping.write(4, new Uint8Array(new Growing(4, { maxByteLength: 8 })).fill(2));
	expect([...mapping.at(0, 9)]).toEqual([1, 1, 1, 1, 2, 2, 2, 2, 0]);
	const gone = new Uint8Array(4).fill(3);
	structuredClone(gone, { transfer: [gone.buffer] });
	mapping.write(0, gone);
	expect(mapping.buffer[0]).toBe(1);
});

test.each([
	['forward', 0, 100],
	['backward', 100, 0],
	['nowhere', 50, 50],
])('pmem2_memmove: a source that is a view of the mapping itself is moved %s', (_, to, from) => {
	const mapping = map(zeroFile(4 * KIB));
	for (let at = 0; at < mapping.length; at++) mapping.buffer[at] = at % 251;
	const expected = Buffer.from(mapping.buffer);
	mapping.write(to, mapping.at(from, 1000));
	expected.copyWithin(to, from, from + 1000);
	expect(mapping.buffer.equals(expected)).toBe(true);
});

test('pmem2_memcpy: a source can be a mapping that was unmapped: it has no bytes then', () => {
	const [mapping, source] = [map(zeroFile(4 * KIB)), mapAnonymous(100)];
	onTestFinished(() => source.unmap());
	const view = source.buffer;
	source.unmap();
	mapping.write(0, view);
	expect(mapping.buffer.every((byte) => byte === 0)).toBe(true);
});

test('test_mem_move_cpy_set_with_map_private: they store into a private mapping, and the file keeps what it had', () => {
	const path = zeroFile(4 * KIB);
	const mapping = map(path, { sharing: 'private' });
	mapping.write(0, Buffer.from('Persistent memory...'));
	mapping.move(100, 0, 20);
	mapping.fill(0, 'X'.charCodeAt(0), 20);
	expect([mapping.at(0, 20).toString(), mapping.at(100, 20).toString()]).toEqual([
		'XXXXXXXXXXXXXXXXXXXX',
		'Persistent memory...',
	]);
	mapping.unmap();
	expect(map(path, { sharing: 'private' }).buffer.every((byte) => byte === 0)).toBe(true);
});
