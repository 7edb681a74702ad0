// Metrics of kinds and caches in registries of prom-client.
import { type Kind, PmemKind } from 'daxkind';
import { PmemCache } from 'daxkind/cache';
import { collectMetrics } from 'daxkind/metrics';
import { Counter, Gauge, Registry } from 'prom-client';
import { expect, onTestFinished, test } from 'vitest';
import { MIB } from '#lib/size.js';
import { newCache } from '../helpers/caches.ts';
import { testDirectory } from '../helpers/directory.ts';
import { thrown } from '../helpers/thrown.ts';

const directory = testDirectory();
const code = (code: string) => expect.objectContaining({ code });

function newKind(name = 'heap'): PmemKind {
	const kind = PmemKind.create(directory, { maxSize: 16 * MIB, name });
	onTestFinished(() => void kind.close());
	return kind;
}

/** The lines of a scrape that are about a metric. */
async function linesOf(register: Registry, name: string): Promise<string[]> {
	return (await register.metrics()).split('\n').filter((line) => line.startsWith(name));
}

test('a scrape shows what the kinds and caches are like now', async () => {
	const register = new Registry();
	const [kind, cache] = [newKind(), newCache({ name: 'pages' })];
	collectMetrics(register, { kinds: [kind], caches: [cache] });
	const labels = 'name="heap",type="pmem"';
	expect(await linesOf(register, 'daxkind_kind_')).toEqual([
		`daxkind_kind_capacity_bytes{${labels}} ${kind.capacity}`,
		`daxkind_kind_allocated_bytes{${labels}} 0`,
		`daxkind_kind_active_bytes{${labels}} 0`,
		expect.stringMatching(/^daxkind_kind_resident_bytes\{.*\} \d+$/),
		`daxkind_kind_high_water_bytes{${labels}} 0`,
		`daxkind_kind_blocks{${labels}} 0`,
		`daxkind_kind_lost_bytes{${labels}} 0`,
	]);
	kind.malloc(1000);
	cache.set('key', Buffer.alloc(1000));
	for (const key of ['key', 'key', 'no such key']) cache.get(key);
	expect(await linesOf(register, 'daxkind_kind_blocks')).toEqual([`daxkind_kind_blocks{${labels}} 1`]);
	const { bytes, indexBytes } = cache.stats();
	expect(await linesOf(register, 'daxkind_cache_')).toEqual([
		'daxkind_cache_entries{name="pages"} 1',
		`daxkind_cache_bytes{name="pages"} ${bytes}`,
		`daxkind_cache_max_size_bytes{name="pages"} ${16 * MIB}`,
		`daxkind_cache_index_bytes{name="pages"} ${indexBytes}`,
		'daxkind_cache_pinned_entries{name="pages"} 0',
		'daxkind_cache_hits_total{name="pages"} 2',
		'daxkind_cache_misses_total{name="pages"} 1',
		'daxkind_cache_sets_total{name="pages"} 1',
		'daxkind_cache_deletes_total{name="pages"} 0',
		'daxkind_cache_evicted_total{name="pages"} 0',
		'daxkind_cache_expired_total{name="pages"} 0',
		'daxkind_cache_lost_total{name="pages"} 0',
	]);
	expect(await register.metrics()).toContain(
		'# HELP daxkind_cache_hits_total How often an entry was found.\n# TYPE daxkind_cache_hits_total counter\n',
	);
});

test('by default, all open kinds and caches of this thread are shown, and closed ones vanish', async () => {
	const register = new Registry();
	collectMetrics(register);
	const first = newCache({ name: 'first' });
	const second = newCache({ name: 'second' });
	const third = newKind('third');
	const shown = async (name: string) => (await linesOf(register, name)).map((line) => /name="([^"]*)"/.exec(line)![1]);
	expect(await shown('daxkind_cache_entries')).toEqual(['first', 'second']);
	// A cache has a kind of its own.
	expect(await shown('daxkind_kind_blocks')).toEqual(['first', 'second', 'third']);
	first.close();
	third.close();
	expect(await shown('daxkind_cache_entries')).toEqual(['second']);
	expect(await shown('daxkind_kind_blocks')).toEqual(['second']);
	second.close();
	expect(await shown('daxkind_cache_entries')).toEqual([]);
});

test('those with the same labels are added up, and one that is held twice counts once', async () => {
	const register = new Registry();
	const kinds: Kind[] = [newKind(), newKind()];
	const caches = [newCache({ name: 'same' }), newCache({ name: 'same' })];
	for (const cache of caches) cache.set('key', 1);
	const twice = PmemCache.attach(caches[0]!.share());
	collectMetrics(register, { kinds: () => [...kinds, kinds[0]!], caches: [...caches, twice] });
	const labels = 'name="heap",type="pmem"';
	expect(await linesOf(register, 'daxkind_kind_capacity')).toEqual([
		`daxkind_kind_capacity_bytes{${labels}} ${2 * 16 * MIB}`,
	]);
	expect(await linesOf(register, 'daxkind_cache_entries')).toEqual(['daxkind_cache_entries{name="same"} 2']);
	twice.close();
});

test('kinds and caches that an iterator gives are shown at each scrape', async () => {
	const register = new Registry();
	const [kind, cache] = [newKind(), newCache({ name: 'pages' })];
	collectMetrics(register, { kinds: new Map([[1, kind]]).values(), caches: new Set([cache]).values() });
	for (let scrape = 0; scrape < 2; scrape++) {
		expect(await linesOf(register, 'daxkind_kind_blocks')).toHaveLength(1);
		expect(await linesOf(register, 'daxkind_cache_entries')).toHaveLength(1);
	}
});

test('other formats of prom-client have the same numbers', async () => {
	const open = new Registry();
	open.setContentType(Registry.OPENMETRICS_CONTENT_TYPE as never);
	const cache = newCache({ name: 'a "b"\n' });
	collectMetrics(open, { caches: [cache], prefix: 'app_' });
	new Counter({ name: 'mine_total', help: 'Mine.', registers: [open] }).inc();
	cache.get('miss');
	for (let scrape = 0; scrape < 2; scrape++) {
		expect(await linesOf(open, 'app_cache_misses')).toEqual(['app_cache_misses_total{name="a \\"b\\"\\n"} 1']);
		expect(await linesOf(open, 'mine')).toEqual(['mine_total 1']);
		expect(await linesOf(open, '# TYPE app_cache_misses')).toEqual(['# TYPE app_cache_misses counter']);
	}
	const register = new Registry();
	collectMetrics(register, { caches: [cache] });
	register.setDefaultLabels({ app: 'shop' });
	const json = await register.getMetricsAsJSON();
	expect(json.find(({ name }) => name === 'daxkind_cache_misses_total')).toMatchObject({
		...{ help: 'How often no entry was found.', type: 'counter', aggregator: 'sum' },
		values: [{ labels: { app: 'shop', name: cache.name }, value: 1 }],
	});
	register.resetMetrics();
	expect(await linesOf(Registry.merge([register]), 'daxkind_cache_misses_total')).toHaveLength(1);
});

test('what is returned removes the metrics, and no others', async () => {
	const register = new Registry();
	new Gauge({ name: 'mine', help: 'Mine.', registers: [register] });
	const remove = collectMetrics(register);
	expect(register.getMetricsAsArray()).toHaveLength(20);
	// Nothing has been added when a name is taken.
	expect(() => collectMetrics(register)).toThrow('already been registered');
	const other = collectMetrics(register, { prefix: 'other_' });
	other();
	expect(register.getMetricsAsArray()).toHaveLength(20);
	remove();
	remove();
	expect(register.getMetricsAsArray()).toHaveLength(1);
	new Gauge({ name: 'daxkind_cache_evicted_total', help: 'Somebody else’s.', registers: [register] });
	expect(() => collectMetrics(register)).toThrow('already been registered');
	expect(register.getMetricsAsArray()).toHaveLength(2);
});

test('what has been returned removes none of the metrics that came after a clear', () => {
	const register = new Registry();
	const old = collectMetrics(register);
	register.clear();
	const remove = collectMetrics(register);
	old();
	expect(register.getMetricsAsArray()).toHaveLength(19);
	remove();
	expect(register.getMetricsAsArray()).toHaveLength(0);
});

test('wrong arguments are refused', async () => {
	const register = new Registry();
	expect(thrown(() => collectMetrics({} as never))).toEqual(code('ERR_INVALID_ARG_TYPE'));
	expect(thrown(() => collectMetrics(register, { prefix: '1' }))).toEqual(code('ERR_INVALID_ARG_VALUE'));
	expect(thrown(() => collectMetrics(register, { prefix: 1 as never }))).toEqual(code('ERR_INVALID_ARG_TYPE'));
	expect(() => collectMetrics(register, { cashes: [] } as object)).toThrow(/Did you mean 'caches'/);
	const lists: unknown[] = [1, null, [1], [{}], [newKind(), undefined], 'kinds'];
	for (const list of lists) {
		expect(thrown(() => collectMetrics(register, { kinds: list as never }))).toEqual(code('ERR_INVALID_ARG_TYPE'));
		expect(thrown(() => collectMetrics(register, { caches: list as never }))).toEqual(code('ERR_INVALID_ARG_TYPE'));
	}
	expect(() => collectMetrics(register, { caches: [newCache(), newKind()] as never })).toThrow(
		/"options\.caches\[1\]" .* an instance of PmemCache\. Received an instance of PmemKind/,
	);
	expect(register.getMetricsAsArray()).toEqual([]);
	// A function is asked at the scrape.
	for (const list of lists) {
		const remove = collectMetrics(register, { caches: () => list as never });
		await expect(register.metrics()).rejects.toThrow(code('ERR_INVALID_ARG_TYPE'));
		remove();
	}
});
