// memkind_config_*: path, size and memory usage policy are arguments of PmemKind.create, which checks them.
import { fstatSync } from 'node:fs';
import { minPmemSize, PmemKind, type PmemKindOptions } from 'daxkind';
import { expect, test } from 'vitest';
import { KIB, MIB } from '#lib/size.js';
import { testDirectory } from '../../helpers/directory.ts';
import { fill, freeAll } from '../../helpers/fill.ts';
import { closeAfterEach, create } from '../../helpers/kinds.ts';
import { holdings, namelessFiles } from '../../helpers/process.ts';

const directory = testDirectory();
closeAfterEach();

test('test_TC_MEMKIND_CreateAndDestroyEmptyConfig: without options there are defaults, where memkind has garbage', () => {
	for (const kind of [create(directory), create(directory, {}), create(directory, { policy: 'default' })]) {
		expect(kind.capacity).toBeGreaterThan(minPmemSize);
		kind.free(kind.malloc(KIB));
	}
});

test('test_TC_MEMKIND_PmemConSetConfigSizeZero: size 0 is what the file system has', () => {
	expect(create(directory, { maxSize: 0 }).capacity).toBe(create(directory).capacity);
});

test('test_TC_MEMKIND_PmemSetConfigSizeNotZero: a size is the capacity', () => {
	expect(create(directory, { maxSize: 100 * MIB }).capacity).toBe(100 * MIB);
});

test('test_TC_MEMKIND_PmemSetConfigPath: the path is kept as it was, whatever becomes of the options', () => {
	const options: PmemKindOptions = { maxSize: minPmemSize };
	const kind = create(directory, options);
	options.maxSize = 0;
	expect(kind.path).toBe(directory);
	expect(kind.capacity).toBe(minPmemSize);
});

test('test_TC_MEMKIND_PmemSetDefaultMemoryUsagePolicy: the default policy keeps what was freed', () => {
	const kind = create(directory, { maxSize: minPmemSize, policy: 'default' });
	freeAll(kind, fill(kind, MIB));
	expect(kind.stats().resident).toBe(minPmemSize);
});

test('test_TC_MEMKIND_SetConservativeMemoryUsagePolicy: the conservative policy does not', () => {
	const kind = create(directory, { maxSize: minPmemSize, policy: 'conservative' });
	freeAll(kind, fill(kind, MIB));
	expect(kind.stats().resident).toBe(0);
});

function refused(path: string, options: unknown, expected: Record<string, unknown>): void {
	const before = holdings();
	expect(() => PmemKind.create(path, options as PmemKindOptions)).toThrow(expect.objectContaining(expected));
	// memkind keeps a kind whose policy was refused: its descriptor and arenas leak.
	expect(holdings()).toEqual(before);
}

test('test_TC_MEMKIND_PmemCreatePmemWithParamsFailWrongDirectory: a missing directory is ENOENT', () => {
	refused(`${directory}/non_existing`, { maxSize: 0, policy: 'default' }, { code: 'ENOENT', syscall: 'open' });
});

test('test_TC_MEMKIND_PmemCreatePmemWithParamsFailWrongSize: a size below the least is out of range', () => {
	refused(directory, { maxSize: minPmemSize - 1, policy: 'default' }, { code: 'ERR_OUT_OF_RANGE' });
});

test('test_TC_MEMKIND_PmemCreatePmemWithParamsFailWrongPolicy: a policy that is none is refused, and leaks nothing', () => {
	refused(directory, { maxSize: minPmemSize, policy: 'max' }, { code: 'ERR_INVALID_ARG_VALUE' });
	refused(directory, { maxSize: minPmemSize, policy: 2 }, { code: 'ERR_INVALID_ARG_TYPE' });
	refused(
		directory,
		{ maxSize: minPmemSize - 1, policy: 'max' },
		{ name: expect.stringMatching(/TypeError|RangeError/) },
	);
});

test('test_TC_MEMKIND_PmemCreatePmemWithParamsSuccessCheckConservativePolicy: a free takes blocks from the file at once', () => {
	const kind = create(directory, { maxSize: 32 * MIB, policy: 'conservative' });
	const [file] = namelessFiles(directory);
	const blocks = () => fstatSync(file!.fd).blocks;
	const block = kind.malloc(2 * MIB);
	const before = blocks();
	expect(before * 512).toBe(2 * MIB);
	kind.free(block);
	expect(blocks()).toBe(0);

	// The thread cache keeps some of the small blocks, and with them their 2 MiB. memkind has no such cache and punches
	// pages.
	freeAll(kind, fill(kind, KIB));
	expect(blocks() * 512).toBeLessThanOrEqual(2 * MIB);
	kind.purge();
	expect(blocks()).toBe(0);
});

test('pmem_config (example): a limited conservative kind is made and closed', () => {
	const kind = create(directory, { maxSize: 32 * MIB, policy: 'conservative' });
	expect(kind.capacity).toBe(32 * MIB);
	kind.close();
	expect(namelessFiles(directory)).toEqual([]);
});
