// PmemKind.create: what it takes and what it refuses. A refusal leaves nothing behind.
import { chmodSync, mkdirSync, rmdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { explain, PmemKind } from 'daxkind';
import { expect, test } from 'vitest';
import { MIB } from '#lib/size.js';
import { testDirectory } from '../helpers/directory.ts';
import { closeAfterEach, create } from '../helpers/kinds.ts';
import { holdings, namelessFiles, runChild } from '../helpers/process.ts';

const directory = testDirectory();
closeAfterEach();

test('a kind is one nameless file, of the mode and size that it says', () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	expect(namelessFiles(directory)).toHaveLength(1);
	expect(kind.capacity).toBe(16 * MIB);
	expect(kind.path).toBe(directory);
	kind.close();
	expect(namelessFiles(directory)).toHaveLength(0);
});

test('maxSize is rounded up to 2 MiB', () => {
	expect(create(directory, { maxSize: 16 * MIB + 4096 }).capacity).toBe(18 * MIB);
});

test('without maxSize the capacity is that of the file system', () => {
	const kind = create(directory);
	expect(kind.capacity).toBeGreaterThanOrEqual(16 * MIB);
	expect(kind.capacity % (2 * MIB)).toBe(0);
	expect(create(directory, { maxSize: 0 }).capacity).toBe(kind.capacity);
});

test('a URL names a directory', () => {
	expect(create(pathToFileURL(directory), { maxSize: 16 * MIB }).path).toBe(directory);
});

test('a symbolic link to a directory is followed', () => {
	symlinkSync(directory, `${directory}/link`);
	expect(create(`${directory}/link`, { maxSize: 16 * MIB }).capacity).toBe(16 * MIB);
});

test('an ordinary directory is not on DAX, and the kind says so', () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	expect(kind.dax).toBe(false);
	expect(kind.mapping).toBe('shared');
	expect(kind.granularity).toBe('page');
});

test('requireDax says the first broken link and what fixes it, and has all of the chain', () => {
	const before = holdings();
	const { reason, remedy } = explain(directory);
	expect(() => create(directory, { requireDax: true })).toThrow(
		expect.objectContaining({
			code: 'ERR_DAXKIND_NOT_DAX',
			message: expect.stringContaining(`is not on DAX: ${reason}. Fix: ${remedy}`),
			explanation: expect.objectContaining({ dax: false, reason, remedy }),
		}),
	);
	expect(holdings()).toEqual(before);
});

test('mapSync is refused where there is no DAX', () => {
	expect(() => create(directory, { mapSync: true })).toThrow(
		expect.objectContaining({ code: 'ENOTSUP', errno: -95, syscall: 'mmap', path: directory }),
	);
});

test('prefault takes all storage at once', () => {
	const kind = create(directory, { maxSize: 16 * MIB, prefault: true });
	expect(kind.stats().resident).toBe(16 * MIB);
	expect(kind.stats().committed).toBe(16 * MIB);
});

for (const [what, path, code] of [
	['a missing directory', `${directory}/missing`, 'ENOENT'],
	['an empty path', '', 'ENOENT'],
	['a file', `${directory}/file`, 'ENOTDIR'],
	['a path through a file', `${directory}/file/below`, 'ENOTDIR'],
	['a name that is too long', `${directory}/${'x'.repeat(300)}`, 'ENAMETOOLONG'],
	['a path that is too long', `/${'x/'.repeat(3000)}`, 'ENAMETOOLONG'],
] as const) {
	test(`${what} gives ${code}, and nothing is left behind`, () => {
		writeFileSync(`${directory}/file`, '');
		const before = holdings();
		expect(() => create(path, { maxSize: 16 * MIB })).toThrow(
			expect.objectContaining({ code, syscall: 'open', path, message: expect.stringContaining(`${code}: `) }),
		);
		expect(holdings()).toEqual(before);
	});
}

test('a directory that nobody may write to gives EACCES', () => {
	const unwritable = `${directory}/unwritable`;
	mkdirSync(unwritable);
	chmodSync(directory, 0o755);
	chmodSync(unwritable, 0o555);
	const drop = process.getuid!() === 0 ? 'process.setgroups([]); process.setgid(65534); process.setuid(65534);' : '';
	const { stdout, stderr } = runChild(
		`${drop} try { PmemKind.create(process.argv[1] + '/unwritable'); } catch (e) { console.log(e.code, e.syscall, e.path); }`,
		directory,
	);
	rmdirSync(unwritable);
	expect(stdout + stderr).toBe(`EACCES open ${unwritable}\n`);
});

test('no free descriptor gives EMFILE, and the next create works', () => {
	const { stdout, stderr } = runChild(
		`import { closeSync, openSync } from 'node:fs';
		PmemKind.create(process.argv[1]).close();
		const fds = [];
		for (;;) try { fds.push(openSync('/dev/null')); } catch { break; }
		try { PmemKind.create(process.argv[1]); } catch (e) { console.log(e.code, e.syscall); }
		closeSync(fds.pop());
		PmemKind.create(process.argv[1], { maxSize: ${16 * MIB} }).close();
		console.log('created');`,
		directory,
		['prlimit', '--nofile=128', '--'],
	);
	expect(stdout + stderr).toBe('EMFILE open\ncreated\n');
});

test('a size above what files may have gives EFBIG, and address space that is not there ENOMEM', () => {
	expect(() => create(directory, { maxSize: Number.MAX_SAFE_INTEGER })).toThrow(
		expect.objectContaining({ code: expect.stringMatching(/^(EFBIG|ENOMEM|EOVERFLOW)$/), path: directory }),
	);
	const { stdout, stderr } = runChild(
		`try { PmemKind.create(process.argv[1], { maxSize: 2 ** 46 }); } catch (e) { console.log(e.code, e.syscall); }`,
		directory,
		['prlimit', `--as=${2 ** 44}`, '--'],
	);
	expect(stdout + stderr).toBe('ENOMEM mmap\n');
});

for (const size of [1, 16 * MIB - 1, -1, -0.5, 16 * MIB + 0.5, Number.NaN, Infinity, -Infinity, 2 ** 53]) {
	test(`maxSize ${size} is out of range`, () => {
		expect(() => create(directory, { maxSize: size })).toThrow(
			expect.objectContaining({ name: 'RangeError', code: 'ERR_OUT_OF_RANGE' }),
		);
	});
}

for (const decayMs of [0, -1, 0.5, Number.NaN, 86_400_001]) {
	test(`decayMs ${decayMs} is out of range`, () => {
		expect(() => create(directory, { decayMs })).toThrow(
			expect.objectContaining({ name: 'RangeError', code: 'ERR_OUT_OF_RANGE' }),
		);
	});
}

for (const [what, args, code] of [
	['no directory', [], 'ERR_INVALID_ARG_TYPE'],
	['a number for a directory', [7], 'ERR_INVALID_ARG_TYPE'],
	['a null byte in the directory', ['/dev\0/shm'], 'ERR_INVALID_ARG_VALUE'],
	['null options', [directory, null], 'ERR_INVALID_ARG_TYPE'],
	['options that are no object', [directory, 16 * MIB], 'ERR_INVALID_ARG_TYPE'],
	['a maxSize in words', [directory, { maxSize: '16M' }], 'ERR_INVALID_ARG_TYPE'],
	['a BigInt maxSize', [directory, { maxSize: 16777216n }], 'ERR_INVALID_ARG_TYPE'],
	['an unknown policy', [directory, { policy: 'eager' }], 'ERR_INVALID_ARG_VALUE'],
	['a policy that is no string', [directory, { policy: 1 }], 'ERR_INVALID_ARG_TYPE'],
	['a decayMs in words', [directory, { decayMs: '1s' }], 'ERR_INVALID_ARG_TYPE'],
	['a decayMs that says nothing', [directory, { policy: 'conservative', decayMs: 1 }], 'ERR_INVALID_ARG_VALUE'],
	['requireDax that is no boolean', [directory, { requireDax: 1 }], 'ERR_INVALID_ARG_TYPE'],
	['mapSync that is no boolean', [directory, { mapSync: 'yes' }], 'ERR_INVALID_ARG_TYPE'],
	['prefault that is no boolean', [directory, { prefault: null }], 'ERR_INVALID_ARG_TYPE'],
] as const) {
	test(`${what}: ${code}`, () => {
		const before = holdings();
		expect(() => (PmemKind.create as (...args: unknown[]) => unknown)(...args)).toThrow(
			expect.objectContaining({ name: expect.stringMatching('TypeError'), code }),
		);
		expect(holdings()).toEqual(before);
	});
}

test('a kind does not need its directory any more once it is created', () => {
	const gone = `${directory}/gone`;
	mkdirSync(gone);
	const kind = create(gone, { maxSize: 16 * MIB });
	rmdirSync(gone);
	const block = kind.malloc(8 * MIB).fill('x');
	expect(block.every((byte) => byte === 0x78)).toBe(true);
	kind.free(block);
	kind.close();
});

test('creating and closing, in vain or not, leaves no mapping and no descriptor behind', () => {
	const { stdout, stderr } = runChild(
		`import { readdirSync, readFileSync } from 'node:fs';
		const directory = process.argv[1];
		const vain = [[directory, { requireDax: true }], [directory, { mapSync: true }], [directory + '/missing']];
		async function cycles(count) {
			for (let i = 0; i < count; i++) {
				PmemKind.create(directory, { maxSize: ${16 * MIB} }).close();
				for (const args of vain) try { PmemKind.create(...args); console.log('created'); } catch {}
			}
			await new Promise(setImmediate);
			gc();
			await new Promise(setImmediate);
			const mappings = readFileSync('/proc/self/maps', 'utf8').split('\\n').length;
			return [mappings, readdirSync('/proc/self/fd').length];
		}
		const [mappings, descriptors] = await cycles(10);
		const [mappingsThen, descriptorsThen] = await cycles(200);
		console.log(mappingsThen - mappings < 50, descriptorsThen - descriptors);`,
		directory,
		[],
		['--expose-gc'],
	);
	expect(stdout + stderr).toBe('true 0\n');
});

test('kinds are independent, and many can be open at once', () => {
	const kinds = Array.from({ length: 200 }, () => create(directory, { maxSize: 16 * MIB }));
	const blocks = kinds.map((kind, i) => kind.malloc(1000).fill(i));
	expect(blocks.every((block, i) => block.every((byte) => byte === (i & 255)))).toBe(true);
	expect(namelessFiles(directory)).toHaveLength(200);
});
