// pmem2_granularity, pmem2_granularity_detection, and test_granularity of pmem2_integration: the granularity of a
// mapping, and what happens if it is coarser than what the caller requires. libpmem2's first test replaces the look
// into sysfs; here PMEM2_FORCE_GRANULARITY, which both obey, makes each of the nine cases, and the detection itself is
// in test/guest. Left out: the program gran_detecto, because `why` says more; GRANULARITY_NOT_SET, because the default
// of options.granularity accepts all.
import { closeSync, openSync, readFileSync } from 'node:fs';
import { mapFile, type PmemGranularity } from 'daxkind';
import { expect, onTestFinished, test } from 'vitest';
import { native } from '#lib/native.js';
import { spawnSync } from '../../helpers/children.ts';
import { map, zeroFile } from '../../helpers/mappings.ts';
import { forcing, pmemEnvironment, withForced } from '../../helpers/pmem-environment.ts';
import { holdings } from '../../helpers/process.ts';

const { PAGE_SIZE } = native.constants;
const granularities = ['page', 'cache-line', 'byte'] as const;

const newFile = (length = 4 * PAGE_SIZE) => zeroFile(length);

/** What a mapping of a file is like in a process with these variables, or the error for each required granularity. */
interface Answer {
	granularity: PmemGranularity;
	why: { reason: string; evidence: { value: string; source: string }[] };
	/** By the required granularity: undefined if it was accepted. */
	refusals: Partial<Record<PmemGranularity, { code: string; granularity: string; path: string; message: string }>>;
	/** The descriptors and mappings of the file that are left after the refusals. */
	left: number;
	isolated: PmemGranularity;
	anonymous: PmemGranularity;
}

function answerOf(variables: Record<string, string>, path = newFile()): Answer {
	const code = `
		import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
		import { mapAnonymous, mapFile } from 'daxkind';
		const path = process.argv[1];
		const refusals = {};
		for (const granularity of ['page', 'cache-line', 'byte']) {
			try {
				const mapping = mapFile(path, { granularity });
				mapping.persist();
				mapping.unmap();
			} catch (error) {
				refusals[granularity] = { ...error, message: error.message };
			}
		}
		const link = (fd) => { try { return readlinkSync('/proc/self/fd/' + fd); } catch { return ''; } };
		const left = readdirSync('/proc/self/fd').filter((fd) => link(fd) === path).length +
			readFileSync('/proc/self/maps', 'utf8').split(path).length - 1;
		const { granularity, why } = mapFile(path);
		const isolated = mapFile(path, { sharing: 'private', granularity: 'byte' }).granularity;
		const anonymous = mapAnonymous(4096).granularity;
		console.log(JSON.stringify({ granularity, why, refusals, left, isolated, anonymous }));`;
	const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code, path], {
		env: pmemEnvironment(variables),
		encoding: 'utf8',
	});
	if (status !== 0) throw new Error(stderr);
	return JSON.parse(stdout);
}

/** The granularities that are finer than what there is, so that nobody can have them. */
const finer = { page: ['cache-line', 'byte'], 'cache-line': ['byte'], byte: [] } as const;

test.each(granularities)(
	'test_granularity_req_*_avail_*: where there is %s, what is coarser can be required, and what is finer is refused',
	(available) => {
		const path = newFile();
		const { granularity, why, refusals, left } = answerOf(forcing(available), path);
		expect(granularity).toBe(available);
		expect(why.evidence).toEqual([
			{ value: forcing(available).PMEM2_FORCE_GRANULARITY, source: 'PMEM2_FORCE_GRANULARITY' },
		]);
		expect(Object.keys(refusals).sort()).toEqual([...finer[available]].sort());
		for (const required of finer[available]) {
			expect(refusals[required]).toMatchObject({ code: 'ERR_DAXKIND_GRANULARITY', granularity: available, path });
			const { message } = refusals[required]!;
			expect(message).toContain(`The granularity of ${path} is ${available}`);
			expect(message).toContain(`nothing coarser than ${required}`);
			expect(message).toContain(why.reason);
		}
		expect(left).toBe(0);
	},
);

test.each([
	['page', 'page'],
	['PAGE', 'page'],
	['cache_line', 'cache-line'],
	['CaCHe_Line', 'cache-line'],
	['CACHELINE', 'cache-line'],
	['cacheLine', 'cache-line'],
	['byte', 'byte'],
	['BYTE', 'byte'],
])('gran_detecto: PMEM2_FORCE_GRANULARITY=%s is %s', (value, granularity) => {
	expect(withForced(value, () => map(newFile()).granularity)).toBe(granularity);
});

test.each(['', ' ', 'line', 'cache line', 'cache-line', 'BYTE ', ' PAGE', '0', '2', 'bytes', 'CACHE_LINES'])(
	'PMEM2_FORCE_GRANULARITY=%j means nothing, and is ignored',
	(value) => {
		const path = newFile();
		const found = withForced(undefined, () => map(path).granularity);
		const { granularity, why } = withForced(value, () => map(path));
		expect(granularity).toBe(found);
		expect(why.evidence.map(({ source }) => source)).not.toContain('PMEM2_FORCE_GRANULARITY');
	},
);

test('PMEM2_FORCE_GRANULARITY is read at each mapping, and a mapping keeps what it was made with', () => {
	const path = newFile();
	const mappings = ['BYTE', 'PAGE', 'CACHE_LINE'].map((value) => withForced(value, () => map(path)));
	expect(mappings.map(({ granularity }) => granularity)).toEqual(['byte', 'page', 'cache-line']);
	for (const mapping of mappings) mapping.write(0, Buffer.from(mapping.granularity));
	expect(readFileSync(path, 'latin1').slice(0, 10)).toBe('cache-line');
});

test.each(granularities)(
	'PMEM2_PRIVATE is byte where %s is forced, and so is memory without a file, as libpmem2 has it',
	(forced) => {
		expect(answerOf(forcing(forced))).toMatchObject({ isolated: 'byte', anonymous: 'byte' });
	},
);

test('PMEM2_PRIVATE says why it is byte', () => {
	const { granularity, why } = map(newFile(), { sharing: 'private' });
	expect([granularity, why.reason, why.evidence]).toEqual(['byte', expect.stringContaining('private'), []]);
});

test('a mapping that is not writable is byte, too, because no store reaches the file', () => {
	expect(map(newFile(), { writable: false, granularity: 'byte' }).granularity).toBe('byte');
});

test('test_granularity: without MAP_SYNC it is page, and the error says that and why MAP_SYNC was refused', () => {
	const path = newFile();
	withForced(undefined, () => {
		const { granularity, sync, why } = map(path);
		expect({ granularity, sync }).toEqual({ granularity: 'page', sync: false });
		expect(why.evidence[0]).toEqual({ value: 'ENOTSUP', source: 'mmap(MAP_SHARED_VALIDATE | MAP_SYNC)' });
		const before = holdings();
		const error = { code: 'ERR_DAXKIND_GRANULARITY', granularity: 'page', path };
		const message = expect.stringContaining(why.reason);
		expect(() => mapFile(path, { granularity: 'cache-line' })).toThrow(expect.objectContaining({ ...error, message }));
		expect(() => mapFile(path, { granularity: 'byte' })).toThrow(expect.objectContaining({ ...error, message }));
		expect(holdings()).toEqual(before);
	});
});

test('test_granularity: where the caller declines MAP_SYNC, it is page for that reason', () => {
	withForced(undefined, () => {
		const { granularity, why } = map(newFile(), { sync: false });
		expect(granularity).toBe('page');
		expect(why).toMatchObject({ evidence: [{ value: 'false', source: 'options.sync' }], remedy: expect.any(String) });
	});
});

test('test_granularity: of a file that was given as a descriptor, the error names no path, and the descriptor stays open', () => {
	const path = newFile();
	const fd = openSync(path, 'r+');
	onTestFinished(() => {
		closeSync(fd);
	});
	withForced('PAGE', () => {
		const message = expect.stringContaining('The granularity of the file is page');
		const error = expect.objectContaining({ code: 'ERR_DAXKIND_GRANULARITY', message });
		expect(() => mapFile(fd, { granularity: 'byte' })).toThrow(error);
		expect(map(fd, { granularity: 'page' }).length).toBe(4 * PAGE_SIZE);
	});
});

test('pmem2_map_get_store_granularity: it cannot be changed, because persist would do something else then', () => {
	const mapping = map(newFile());
	const { granularity } = mapping;
	expect(() => Object.assign(mapping, { granularity: 'byte' })).toThrow(TypeError);
	expect(mapping.granularity).toBe(granularity);
});

test.each(['cache-line', 'byte'] as const)(
	'PMEM2_FORCE_GRANULARITY=%s forces no MAP_SYNC: where it is demanded and not possible, it is ENOTSUP still',
	(granularity) => {
		withForced(forcing(granularity).PMEM2_FORCE_GRANULARITY, () => {
			const path = newFile();
			expect(map(path).sync).toBe(false);
			expect(() => mapFile(path, { sync: true })).toThrow(
				expect.objectContaining({ code: 'ENOTSUP', syscall: 'mmap' }),
			);
		});
	},
);
