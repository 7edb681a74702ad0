// The package as its users load it.

import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { runInNewContext } from 'node:vm';
import * as daxkind from 'daxkind';
import * as cache from 'daxkind/cache';
import * as dax from 'daxkind/dax';
import * as device from 'daxkind/device';
import * as keyv from 'daxkind/keyv';
import * as media from 'daxkind/media';
import * as memmap from 'daxkind/memmap';
import * as metrics from 'daxkind/metrics';
import * as persist from 'daxkind/persist';
import * as undici from 'daxkind/undici';
import { expect, test } from 'vitest';
import { execFileSync } from '../helpers/children.ts';
import { testDirectory } from '../helpers/directory.ts';

const directory = testDirectory();

test('the public names are these', () => {
	expect(Object.keys(daxkind).sort()).toEqual([
		'DeviceKind',
		'FixedKind',
		'Kind',
		'NodeKind',
		'OutOfMemoryError',
		'PmemKind',
		'PmemMapping',
		'RecordArray',
		'daxConstants',
		'explain',
		'findDaxMounts',
		'getDaxFlag',
		'getFsxattr',
		'inspect',
		'isDax',
		'kinds',
		'mapAnonymous',
		'mapDevice',
		'mapFile',
		'minPmemSize',
		'setDaxFlag',
		'setDaxFlagAsync',
		'statx',
		'whenEffectiveAsync',
	]);
});

test('what is about DAX is also an entry of its own', () => {
	const own = Object.keys(dax).sort();
	expect(own).toEqual([
		'daxConstants',
		'explain',
		'explainReport',
		'findDaxMounts',
		'getDaxFlag',
		'getFsxattr',
		'inspect',
		'isDax',
		'setDaxFlag',
		'setDaxFlagAsync',
		'statx',
		'whenEffectiveAsync',
	]);
	expect(dax.explain).toBe(daxkind.explain);
});

test('what is about devices is an entry of its own', () => {
	expect(Object.keys(device).sort()).toEqual([
		'createDeviceAsync',
		'destroyDeviceAsync',
		'deviceModel',
		'deviceOf',
		'disableDeviceAsync',
		'enableDeviceAsync',
		'getDevice',
		'holdersOf',
		'listDevices',
		'listRegions',
		'migrateDeviceModel',
		'modeAfterReboot',
		'offlineMemoryAsync',
		'onlineMemoryAsync',
		'reconfigureDeviceAsync',
	]);
});

test('what is about bad blocks is an entry of its own', () => {
	expect(Object.keys(media).sort()).toEqual(['badBlocksAsync', 'badBlocksUnder', 'badRangesIn', 'repairAsync']);
	expect(Object.keys(persist)).toEqual(['PmemLog']);
	expect(Object.keys(cache).sort()).toEqual(['PmemCache', 'caches']);
	expect(Object.keys(keyv).sort()).toEqual(['KeyvPmem', 'KeyvPmemStore', 'KeyvPmemV6']);
	expect(Object.keys(undici)).toEqual(['PmemCacheStore']);
	expect(Object.keys(metrics)).toEqual(['collectMetrics']);
});

test('what is about the memory table is an entry of its own', () => {
	expect(Object.keys(memmap).sort()).toEqual([
		'applyMemmap',
		'bootLines',
		'detectBoot',
		'parseMemoryTable',
		'planMemmap',
		'readMemoryTable',
		'undoMemmap',
		'verifyMemmap',
	]);
});

test('the bits of public masks have the names and values of the kernel headers, and nothing else is among them', () => {
	const { daxConstants } = dax;
	expect(daxConstants).toMatchObject({
		FS_XFLAG_DAX: 0x8000,
		STATX_ATTR_DAX: 0x20_0000n,
		FIEMAP_EXTENT_UNWRITTEN: 0x800,
	});
	expect(Object.isFrozen(daxConstants)).toBe(true);
	const bits = Object.entries(daxConstants);
	expect(bits.length).toBeGreaterThan(40);
	for (const [name, value] of bits) {
		expect(name).toMatch(/^(FS_XFLAG|STATX|FIEMAP_EXTENT)_[A-Z_]+$|^FS_[A-Z_]+_FL$/);
		expect(typeof value, name).toBe(name.startsWith('STATX_ATTR_') ? 'bigint' : 'number');
	}
	const { attributes, attributesMask } = dax.statx('/');
	expect(attributes & ~attributesMask).toBe(0n);
	expect(attributesMask & daxConstants.STATX_ATTR_MOUNT_ROOT).toBe(daxConstants.STATX_ATTR_MOUNT_ROOT);
});

test('a misspelt option is an error of every call that takes options, and names the nearest', async () => {
	const kind = daxkind.PmemKind.create(directory, { maxSize: 2 ** 24 });
	const file = fileURLToPath(import.meta.url);
	const jobs = { singal: undefined, onProgres: undefined };
	const mappings = { sise: 1, lenght: 1, granularty: 'page' };
	const wrong = {
		...jobs,
		...mappings,
		unti: 1,
		maxsize: 1,
		prefixx: 1,
		al: true,
		recursiv: true,
		dryrun: true,
		rot: '/',
	};
	const register = {
		registerMetric: () => undefined,
		getSingleMetric: () => undefined,
		removeSingleMetric: () => undefined,
	};
	const only = (name: keyof typeof wrong): object => ({ [name]: wrong[name] });
	const calls: [nearest: string, call: () => unknown][] = [
		['signal', () => kind.purgeAsync(only('singal'))],
		['signal', () => kind.bufferAsync(1, only('singal'))],
		['onProgress', () => kind.prefaultAsync(only('onProgres'))],
		['signal', () => daxkind.whenEffectiveAsync(file, only('singal'))],
		['all', () => daxkind.findDaxMounts(only('al'))],
		['recursive', () => daxkind.setDaxFlag(file, false, only('recursiv'))],
		['signal', () => daxkind.setDaxFlagAsync(file, false, only('singal'))],
		['size', () => persist.PmemLog.open(file, only('sise'))],
		['maxSize', () => cache.PmemCache.create(kind, only('maxsize'))],
		['maxSize', () => new keyv.KeyvPmem(directory, only('maxsize'))],
		['maxSize', () => new undici.PmemCacheStore(directory, only('maxsize'))],
		['prefix', () => metrics.collectMetrics(register, only('prefixx'))],
		['length', () => daxkind.mapDevice('x', only('lenght'))],
		['granularity', () => daxkind.mapFile(file, only('granularty'))],
		['unit', () => media.badRangesIn([], [], only('unti'))],
		['signal', () => media.badBlocksAsync(file, only('singal'))],
		['dryRun', () => media.repairAsync(file, only('dryrun'))],
		['root', () => device.listDevices(only('rot'))],
		['root', () => device.listRegions(only('rot'))],
		['root', () => device.deviceModel(only('rot'))],
		['root', () => device.modeAfterReboot('dax0.0', only('rot'))],
		['root', () => device.migrateDeviceModel(only('rot'))],
		['signal', () => device.createDeviceAsync('x', only('singal'))],
		['signal', () => device.destroyDeviceAsync('x', only('singal'))],
		['signal', () => device.enableDeviceAsync('x', only('singal'))],
		['signal', () => device.disableDeviceAsync('x', only('singal'))],
		['signal', () => device.onlineMemoryAsync('x', only('singal'))],
		['signal', () => device.offlineMemoryAsync('x', only('singal'))],
		['signal', () => device.reconfigureDeviceAsync('x', 'devdax', only('singal'))],
		['root', () => memmap.readMemoryTable(only('rot'))],
		['root', () => memmap.detectBoot(only('rot'))],
		['dryRun', () => memmap.applyMemmap('memmap=1G!4G', only('dryrun'))],
		['dryRun', () => memmap.undoMemmap(only('dryrun'))],
	];
	for (const [nearest, call] of calls) {
		const error = await Promise.resolve()
			.then(call)
			.catch((error: unknown) => error);
		expect(error, String(call)).toMatchObject({
			code: 'ERR_INVALID_ARG_VALUE',
			message: expect.stringContaining(`Did you mean '${nearest}'?`),
		});
	}
	kind.close();
});

test('a size with a unit is refused with a word on how sizes are given', () => {
	const say = expect.objectContaining({
		code: 'ERR_INVALID_ARG_TYPE',
		message: expect.stringMatching(/in bytes \(64 \* 2 \*\* 20/),
	});
	expect(() => daxkind.PmemKind.create(directory, { maxSize: '64M' as never })).toThrow(say);
	expect(() => daxkind.NodeKind.create(0, { maxSize: '64M' as never })).toThrow(say);
});

test('console.log of a kind says how full it is and whether it is closed', () => {
	const kind = daxkind.PmemKind.create(directory, { maxSize: 2 ** 24, debug: false });
	kind.malloc(100);
	const shown = inspect(kind);
	expect(shown).toMatch(/^PmemKind \{/);
	expect(shown).toMatch(/allocated: 112,\s+blocks: 1,\s+closed: false/);
	expect(inspect({ deep: { kind } }, { depth: 0 })).toBe('{ deep: [Object] }');
	expect(String(kind)).toBe('[object PmemKind]');
	kind.close();
	expect(inspect(kind)).toMatch(/allocated: 0,\s+blocks: 0,\s+closed: true/);
	expect(() => inspect(daxkind.PmemKind.prototype)).not.toThrow();
	expect(() => inspect(new Proxy(kind, {}), { showProxy: true })).not.toThrow();
});

test('require gives the same as import', () => {
	const code = `
		const { PmemKind } = require('daxkind');
		import('daxkind').then((imported) => console.log(imported.PmemKind === PmemKind, PmemKind.create(process.argv[1], { maxSize: 2 ** 24 }).malloc(3).length));`;
	const flags = ['--no-warnings', '--input-type=commonjs', '-e', code, directory];
	expect(execFileSync(process.execPath, flags, { encoding: 'utf8' })).toBe('true 3\n');
});

test('package.json can be read by tools', () => {
	expect(createRequire(import.meta.url)('daxkind/package.json')).toMatchObject({ name: 'daxkind' });
});

test('a kind cannot be made but by its create, and methods need one', () => {
	const { PmemKind } = daxkind;
	const illegal = expect.objectContaining({ name: 'TypeError', code: 'ERR_ILLEGAL_CONSTRUCTOR' });
	expect(() => Reflect.construct(PmemKind, [])).toThrow(illegal);
	expect(() => Reflect.construct(PmemKind, [])).toThrow('Illegal constructor. Use PmemKind.create(directory)');
	expect(() => Reflect.construct(PmemKind, [{ id: 0, cache: new ArrayBuffer(2 ** 18) }, '/'])).toThrow(illegal);
	expect(() => PmemKind.prototype.malloc.call({}, 10)).toThrow(TypeError);
	expect(() => PmemKind.prototype.free.call({}, null)).toThrow(TypeError);
	const foreign = runInNewContext('new Uint8Array(8)');
	const kind = PmemKind.create(directory, { maxSize: 2 ** 24 });
	expect(() => kind.free(foreign)).toThrow(expect.objectContaining({ code: 'ERR_DAXKIND_NOT_A_BLOCK' }));
	kind.close();
});
