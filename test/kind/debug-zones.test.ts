// Debug mode finds a single wrong byte in much memory: in a red zone, and in freed memory.
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { FixedKind, mapFile } from 'daxkind';
import { expect, onTestFinished, test } from 'vitest';
import { KIB } from '#lib/size.js';
import { testDirectory } from '../helpers/directory.ts';

const directory = testDirectory();

/** A kind in debug mode, and its memory for a test that writes where it may not. */
function open() {
	const path = `${directory}/memory`;
	writeFileSync(path, Buffer.alloc(4096 * KIB));
	const mapping = mapFile(path);
	const kind = FixedKind.create(mapping, { debug: true });
	onTestFinished(() => {
		kind.close();
		mapping.unmap();
	});
	return { kind, memory: mapping.buffer };
}

for (const distance of [1, 100, 70_000, 200_000]) {
	test(`a byte that is written ${distance} bytes before an aligned block is found when the block is freed`, () => {
		const { kind, memory } = open();
		const block = kind.memalign(256 * KIB, 10);
		const start = kind.ref(block).offset + 256 * KIB;
		memory[start - distance]! ^= 1;
		const overrun = { code: 'ERR_DAXKIND_OVERRUN', message: expect.stringContaining(`${distance} bytes before`) };
		expect(() => kind.free(block)).toThrow(expect.objectContaining(overrun));
		memory[start - distance]! ^= 1;
		kind.free(block);
	});
}

for (const at of [0, 1000, 65_536, 150_000]) {
	test(`byte ${at} that is written after free is found when the memory is to be used again`, async () => {
		const { kind, memory } = open();
		const block = kind.malloc(200_000);
		const start = kind.ref(block).offset;
		kind.free(block);
		memory[start + at] = 1;
		const warned = once(process, 'warning');
		kind.purge();
		const [{ code, detail }] = (await warned) as [{ code: string; detail: string }];
		expect(code).toBe('DAXKIND_USE_AFTER_FREE');
		expect(detail).toMatch(new RegExp(`^Byte ${at} of`));
	});
}
