// The package as its users load it.

import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { runInNewContext } from 'node:vm';
import * as daxkind from 'daxkind';
import * as dax from 'daxkind/dax';
import * as device from 'daxkind/device';
import * as media from 'daxkind/media';
import * as memmap from 'daxkind/memmap';
import { expect, test } from 'vitest';
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
		'explain',
		'findDaxMounts',
		'getDaxFlag',
		'getFsxattr',
		'inspect',
		'isDax',
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
	expect(() => Reflect.construct(PmemKind, [{ id: 0, cache: new ArrayBuffer(2 ** 18) }, '/'])).toThrow(illegal);
	expect(() => PmemKind.prototype.malloc.call({}, 10)).toThrow(TypeError);
	expect(() => PmemKind.prototype.free.call({}, null)).toThrow(TypeError);
	const foreign = runInNewContext('new Uint8Array(8)');
	const kind = PmemKind.create(directory, { maxSize: 2 ** 24 });
	expect(() => kind.free(foreign)).toThrow(expect.objectContaining({ code: 'ERR_DAXKIND_NOT_A_BLOCK' }));
	kind.close();
});
