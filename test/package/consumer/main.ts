// What a user writes in strict TypeScript, and what the compiler must refuse. It is compiled, never run.
import {
	type Block,
	type BlockReference,
	DeviceKind,
	daxConstants,
	FixedKind,
	Kind,
	type KindArray,
	type KindPressure,
	type KindProgress,
	kinds,
	mapAnonymous,
	mapDevice,
	mapFile,
	NodeKind,
	type OutOfMemoryError,
	PmemKind,
	type PmemMapping,
	type RawHandle,
	RecordArray,
	type RecordNumberField,
	type SharedKind,
	type SharedRecordArray,
} from 'daxkind';
import { PmemCache, type PmemCacheEviction, type PmemCacheStats, type SharedPmemCache } from 'daxkind/cache';
import { type DaxCheck, type DaxReport, explain, inspect, type StatxResult, statx } from 'daxkind/dax';
import { type DaxDevice, listDevices, reconfigureDeviceAsync } from 'daxkind/device';
import { KeyvPmem, KeyvPmemV6 } from 'daxkind/keyv';
import { type BadBlocks, badBlocksAsync, repairAsync } from 'daxkind/media';
import { applyMemmap, type MemmapPlan, planMemmap, readMemoryTable, verifyMemmap } from 'daxkind/memmap';
import { collectMetrics } from 'daxkind/metrics';
import { PmemLog, type PmemLogRecord } from 'daxkind/persist';
import { PmemCacheStore } from 'daxkind/undici';
import { Keyv } from 'keyv';
import { Keyv as Keyv6, type KeyvStorageAdapter } from 'keyv-6';
import { Registry, register } from 'prom-client';
import { Agent, interceptors } from 'undici';
import { interceptors as interceptors8 } from 'undici-8';

const onPressure = ({ reason, requested, stats }: KindPressure) => console.log(reason, requested, stats.allocated);
using kind = PmemKind.create('/dev/shm', { maxSize: 2 ** 26, onPressure });

// ---- Blocks ---------------------------------------------------------------------------------------------------------

const block: Block = kind.malloc(100);
const buffer: Buffer = block;
const bytes: Uint8Array<ArrayBuffer> = block;
new Float32Array(block.buffer, block.byteOffset, 8) satisfies Float32Array<ArrayBuffer>;
new Blob([block]);
await crypto.subtle.digest('SHA-1', block);
await fetch('http://localhost', { method: 'PUT', body: block });
new Response(kind.view(kind.mallocRaw(10)));
kind.free(block.fill(0));
kind.free(kind.tryMalloc(10));
const table = new Map<string, Block>([['key', kind.calloc(1, 10)]]);
kind.free(table.get('key'));
const grown: Block = kind.realloc(kind.memalign(64, 10), kind.usableSize(block));
kind.free(kind.defragReallocate(grown) ?? grown);
kind.free(await kind.bufferAsync(10));

// @ts-expect-error A Buffer from elsewhere is no block.
kind.free(Buffer.from('x'));
// @ts-expect-error A part of a block is no block.
kind.free(block.subarray(1));
// @ts-expect-error Nor is what slice returns.
kind.realloc(block.slice(1), 10);
// @ts-expect-error The type Buffer does not say that it is a block.
kind.ref(buffer);
// @ts-expect-error Nor does the type Uint8Array.
kind.usableSize(bytes);
// @ts-expect-error The view of a raw handle is no block.
kind.free(kind.view(kind.mallocRaw(10)));
// @ts-expect-error The buffer of a mapping is no block.
kind.free(mapFile('/dev/shm/file').buffer);

// ---- Typed arrays ---------------------------------------------------------------------------------------------------

const vector = kind.array(Float32Array, 128, { zero: true });
vector satisfies Float32Array<ArrayBuffer>;
kind.free(vector.fill(1));
kind.free(kind.tryArray(BigUint64Array, 4));
const vectors = new Map<string, KindArray<Float32Array>>([['key', vector]]);
kind.free(vectors.get('key'));
const numbers: KindArray<Float64Array> = kind.deref(kind.ref(kind.array(Float64Array, 8)), Float64Array);
console.log(kind.usableSize(numbers), Kind.of(numbers)?.type, numbers[0]?.toFixed());

// @ts-expect-error An array from elsewhere is no block.
kind.free(new Float32Array(4));
// @ts-expect-error A part of an array is no block.
kind.free(vector.subarray(1));
// @ts-expect-error Nor is a copy.
kind.ref(vector.slice());
// @ts-expect-error realloc returns Buffers.
kind.realloc(vector, 10);
// @ts-expect-error Buffer is no class of typed arrays.
kind.array(Buffer, 10);
// @ts-expect-error There is no such option.
kind.array(Float32Array, 10, { zeros: true });

// ---- Records --------------------------------------------------------------------------------------------------------

const schema = {
	id: 'u32',
	count: 'i64',
	name: { bytes: 16 },
	vector: { type: 'f32', length: 128 },
} as const;
using trades = RecordArray.create(kind, schema, 1_000_000, { zero: true });
const id: RecordNumberField = trades.fields.id;
id.set(0, id.get(0) + 1);
trades.fields.count.set(0, trades.fields.count.get(0) + 1n);
trades.fields.name.set(0, 'name');
trades.fields.name.set(0, Buffer.from(trades.fields.name.text(0)));
trades.fields.vector.set(
	0,
	trades.fields.vector.view(0).map((value) => value / 2),
);
trades.get(0).vector satisfies Float32Array<ArrayBuffer>;
trades.set(0, { id: 1, name: 'text', vector: [1, 2, 3] });
const sentRecords: SharedRecordArray<typeof schema> = trades.share();
RecordArray.attach(kind, sentRecords).fields.name.view(0) satisfies Buffer;
RecordArray.create(kind, { price: 'f64' }, 10).fields.price.get(0) satisfies number;

// @ts-expect-error A number is no bigint.
trades.fields.count.set(0, 1);
// @ts-expect-error There is no such field.
trades.fields.price.get(0);
// @ts-expect-error There is no such field here, either.
trades.set(0, { price: 1 });
// @ts-expect-error There is no such type.
RecordArray.create(kind, { price: 'double' }, 10);
// @ts-expect-error A view of a record is no block.
kind.free(trades.fields.name.view(0));

// ---- Raw handles ----------------------------------------------------------------------------------------------------

const handles = new Float64Array(10);
handles[0] = kind.mallocRaw(10);
kind.freeRaw(handles[0] as RawHandle);
const handle: RawHandle | 0 = kind.tryMallocRaw(10);
if (handle !== 0) kind.view(handle, 5).fill(1);
kind.freeRaw(0);
kind.usableSize(handle);

// @ts-expect-error A number is no handle.
kind.freeRaw(5);
// @ts-expect-error A number from a table is a handle only by a cast.
kind.view(handles[0]);
// @ts-expect-error Arithmetic makes no handle.
kind.freeRaw(handle + 1);
// @ts-expect-error A handle is not a block.
kind.free(kind.mallocRaw(10));

// ---- Shared kinds ---------------------------------------------------------------------------------------------------

const shared: SharedKind<PmemKind> = kind.share();
const attached: PmemKind = Kind.attach(shared);
const own: PmemKind = PmemKind.attach(shared, {
	onPressure,
	onMediaError: ({ sort, cause }) => console.log(sort, cause),
});
const any: Kind = Kind.attach(shared as SharedKind);
// A message from another thread has no type.
PmemKind.attach(JSON.parse('{}')).granularity satisfies string;
console.log(attached.mapping, own.dax, any.type, any.name satisfies string);
kinds() satisfies Kind[];
PmemKind.create('/dev/shm', { name: 'sessions' });

// @ts-expect-error The share is another class's.
FixedKind.attach(shared);
// @ts-expect-error The share is another class's, the other way round.
PmemKind.attach(FixedKind.create(mapFile('/dev/shm/file')).share());
// @ts-expect-error A share of any kind may be another class's.
NodeKind.attach(shared as SharedKind);
// @ts-expect-error share() did not make it.
Kind.attach({ type: 'daxkind.Kind', process: 1, number: 1, secret: '' });
// @ts-expect-error Only the creator has this option.
Kind.attach(shared, { debug: true });
// @ts-expect-error No class has a constructor.
new DeviceKind();

const reference: BlockReference = kind.ref(block);
kind.free(kind.deref(reference));
// @ts-expect-error ref() did not make it.
kind.deref({ type: 'daxkind.Block', kind: 1, offset: 0, length: 1, generation: 1 });

// ---- Mappings -------------------------------------------------------------------------------------------------------

const mapping: PmemMapping & Disposable = mapFile('/dev/shm/file', { granularity: 'cache-line', sharing: 'shared' });
mapping.write(0, new Float32Array(3), { drain: false, hint: 'non-temporal' });
mapping.fill(0, 1);
mapping.batch().write(0, bytes).write(8, new DataView(block.buffer)).persist();
await mapping.persistAsync(0, 10, { onProgress: ({ done, total }) => console.log(done / total) });
for (const { value, source } of mapDevice('/dev/dax0.0').why.evidence) console.log(value, source);
mapAnonymous(10).at(0, 1) satisfies Buffer;
using log = PmemLog.open('/dev/shm/log', { size: 2 ** 20 });
const records: PmemLogRecord[] = [...log.iterate(log.append('text'))];
log.truncate(records[0]?.position);
// @ts-expect-error There is no such hint.
mapping.write(0, bytes, { hint: 'nontemporal' });
// @ts-expect-error A record is bytes or text.
log.append(7);

// ---- Caches ---------------------------------------------------------------------------------------------------------

const evictions: PmemCacheEviction[] = [];
using cache = PmemCache.create<{ id: number }>(kind, { ttl: 1000, onEvict: (eviction) => evictions.push(eviction) });
cache.set('key', { id: 1 }, { ttl: 10 }) satisfies boolean;
cache.get(Buffer.from('key'))?.id satisfies number | undefined;
cache.read('key', (value) => value.length) satisfies number | undefined;
using lease = cache.lease('key');
lease?.value?.length satisfies number | undefined;
(await cache.fetch('key', (_key, { stale }) => ({ id: stale?.id ?? 0 }))) satisfies { id: number } | undefined;
const sharedCache: SharedPmemCache = cache.share();
PmemCache.attach<string>(sharedCache).stats() satisfies PmemCacheStats;
// @ts-expect-error The value has another type.
cache.set('key', 'text');
// @ts-expect-error A key is a string or bytes.
cache.get(1);

const sessions = new Keyv<number>({ store: new KeyvPmem(PmemCache.create(kind), { namespace: 'sessions' }) });
(await sessions.get('key')) satisfies number | undefined;
new KeyvPmemV6('/dev/shm', { maxSize: 2 ** 26, ttl: 1000 }) satisfies KeyvStorageAdapter;
new Keyv6<number>({ store: new KeyvPmem('/dev/shm') });
// @ts-expect-error The store gives one boolean for many keys, as Keyv 5 wants it.
new KeyvPmem('/dev/shm') satisfies KeyvStorageAdapter;

const store = new PmemCacheStore(kind, { maxEntrySize: 2 ** 20, errorCallback: (error) => console.log(error.message) });
store.on('maxSizeExceeded', ({ size, count }) => console.log(size + count));
const agent = new Agent().compose(interceptors.cache({ store }));
interceptors8.cache({ store });
await agent.close();

collectMetrics(register);
collectMetrics(new Registry(), { kinds: [kind], caches: () => [cache, store.cache], prefix: 'app_' })();

// ---- The rest -------------------------------------------------------------------------------------------------------

// @ts-expect-error There is no such option.
PmemKind.create('/dev/shm', { maxsize: 2 ** 26 });
// @ts-expect-error The type is wrong.
PmemKind.create('/dev/shm', { maxSize: '64M' });
const onProgress = ({ done, total }: KindProgress) => console.log(done / total);
await using made = await PmemKind.createAsync('/dev/shm', {
	prefault: true,
	onProgress,
	signal: AbortSignal.timeout(9),
});
await made.prefaultAsync({ onProgress });
const disposables: (Disposable & AsyncDisposable)[] = [made, kind];
mapping.buffer satisfies Uint8Array<ArrayBuffer>;
const failed = (error: OutOfMemoryError) => console.log(error.reason, error.code, disposables.length);
failed satisfies (error: never) => void;

const status: StatxResult = statx('/');
if (status.attributes & daxConstants.STATX_ATTR_DAX) console.log(daxConstants.FS_XFLAG_DAX | 0);
const report: DaxReport = inspect('/');
const checks: DaxCheck[] = explain('/').checks;
const devices: DaxDevice[] = listDevices();
for (const { name } of devices) await reconfigureDeviceAsync(name, 'devdax', { force: true });
const bad: BadBlocks = await badBlocksAsync('/');
if (bad.parts.length > 0) console.log(report.dax, checks.length, (await repairAsync('/', { zeros: true })).isRepaired);
const plan: MemmapPlan = planMemmap(readMemoryTable(), { size: 2 ** 32 });
if (plan.argument !== undefined) console.log(applyMemmap(plan.argument, { dryRun: true }).next, verifyMemmap(plan).ok);
