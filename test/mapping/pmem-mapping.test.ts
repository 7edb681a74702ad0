// The object that mapFile makes. Nobody can forge or change it, and persist either does what it says or throws.
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mapFile, PmemMapping } from 'daxkind';
import { expect, onTestFinished, test } from 'vitest';
import { native } from '#lib/native.js';
import { temporaryDirectory, tmpfs } from '../helpers/temporary-directory.ts';

const { PAGE_SIZE } = native.constants;
const code = (code: string) => expect.objectContaining({ code });

function newFile(content: Buffer, parent?: string): string {
	const path = join(temporaryDirectory(parent), 'file');
	writeFileSync(path, content);
	return path;
}

/** Maps a file of four pages. The mapping is unmapped after the test. */
function newMapping(options = {}) {
	const path = newFile(Buffer.alloc(4 * PAGE_SIZE, 1));
	const mapping = mapFile(path, options);
	onTestFinished(() => mapping.unmap());
	return { path, mapping };
}

test('only mapFile makes a mapping: nothing that others make can name one of its', () => {
	const { path, mapping } = newMapping();
	const Constructor = PmemMapping as unknown as new (...args: unknown[]) => PmemMapping;
	const forged = { arrayBuffer: new ArrayBuffer(8), granularity: 'byte', sync: false, writable: true, path: 'x' };
	for (let id = 0; id < 10; id++) {
		expect(() => new Constructor({ ...forged, id })).toThrow(code('ERR_ILLEGAL_CONSTRUCTOR'));
		expect(() => new Constructor(Symbol('mapFile'), { ...forged, id })).toThrow(code('ERR_ILLEGAL_CONSTRUCTOR'));
	}
	expect(() => new (class extends Constructor {})()).toThrow(code('ERR_ILLEGAL_CONSTRUCTOR'));
	mapping.buffer.fill(2);
	mapping.persist();
	expect(readFileSync(path)[0]).toBe(2);
});

test('what a mapping says of itself cannot be changed, so that persist does not do nothing', () => {
	const { path, mapping } = newMapping({ writable: false });
	const { buffer } = mapping;
	const told = { granularity: 'page', sync: true, path: '/', source: 'device', sharing: 'private' };
	const changes = { ...told, writable: true, buffer: Buffer.alloc(3) };
	for (const [name, value] of Object.entries(changes)) {
		const before = mapping[name as keyof PmemMapping];
		expect(() => Object.assign(mapping, { [name]: value }), name).toThrow(TypeError);
		expect(() => Object.defineProperty(mapping, name, { value }), name).toThrow(TypeError);
		expect(mapping[name as keyof PmemMapping], name).toBe(before);
	}
	expect(() => mapping.persist()).toThrow(code('ERR_INVALID_STATE'));
	expect(mapping).toMatchObject({ path, buffer, writable: false, granularity: 'byte', length: 4 * PAGE_SIZE });
	expect(Object.keys(mapping).sort()).toEqual(Object.keys(changes).sort());
});

test.each([
	...(['persist', 'flush', 'drain', 'deepFlush', 'write', 'fill', 'move', 'batch', 'at', 'errors', 'unmap'] as const),
	...(['why', 'length', Symbol.dispose] as const),
])('%o of what is not a mapping is ERR_INVALID_THIS', (name) => {
	const { mapping } = newMapping();
	const { value, get } = Object.getOwnPropertyDescriptor(PmemMapping.prototype, name)!;
	const receivers = [undefined, null, 1, {}, PmemMapping.prototype, Object.create(mapping), new Proxy(mapping, {})];
	for (const receiver of receivers) {
		expect(() => (value ?? get).call(receiver)).toThrow(code('ERR_INVALID_THIS'));
	}
	expect(mapping.length).toBe(4 * PAGE_SIZE);
});

test.each([
	['an ordinary directory', undefined],
	['tmpfs', tmpfs],
])('in %s, what the file has lost by being truncated is not persisted without a word', (_, parent) => {
	const path = newFile(Buffer.alloc(4 * PAGE_SIZE, 1), parent);
	const mapping = mapFile(path);
	onTestFinished(() => mapping.unmap());
	mapping.buffer.fill(2);
	truncateSync(path, PAGE_SIZE + 1);
	const lost = expect.objectContaining({
		code: 'EFAULT',
		errno: -14,
		syscall: 'madvise',
		path,
		message: expect.stringContaining('truncated'),
	});
	expect(() => mapping.persist()).toThrow(lost);
	expect(() => mapping.flush(PAGE_SIZE, PAGE_SIZE + 1)).toThrow(lost);
	expect(() => mapping.persist(3 * PAGE_SIZE, 1)).toThrow(lost);
	mapping.persist(0, 2 * PAGE_SIZE);
	mapping.persist(4 * PAGE_SIZE);
	mapping.persist(3 * PAGE_SIZE, 0);
	truncateSync(path, 4 * PAGE_SIZE);
	mapping.persist();
});

test.runIf('transfer' in ArrayBuffer.prototype)(
	'when its memory is transferred, persist does not pass for done',
	() => {
		const { mapping } = newMapping();
		(mapping.buffer.buffer as ArrayBuffer & { transfer(): ArrayBuffer }).transfer();
		for (const name of ['persist', 'flush', 'drain', 'deepFlush', 'batch'] as const) {
			expect(() => mapping[name]()).toThrow(code('ERR_INVALID_STATE'));
		}
	},
);
