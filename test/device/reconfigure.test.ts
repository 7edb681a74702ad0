// Moving a device when something goes wrong on the way, on a model of the kernel, because a VM cannot be made to do
// this. test/guest-device moves real devices.
import { readFileSync } from 'node:fs';
import { reconfigureDeviceAsync } from 'daxkind/device';
import { describe, expect, test } from 'vitest';
import { requireDevice } from '#lib/device/find.js';
import { reconfigure } from '#lib/device/reconfigure.js';
import { type Behaviour, FakeKernel, WriteError } from '../helpers/fake-kernel.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { busDevice, type Entries, makeTree, memoryBlocks } from '../helpers/tree.ts';

const policy = '/sys/devices/system/memory/auto_online_blocks';
/** The blocks that lie wholly in the addresses of busDevice. */
const blocks = [33, 34, 35, 36, 37, 38, 39];
const usual = {
	online: true,
	movable: true,
	force: false,
	signal: undefined,
	onProgress: () => {},
	blockLimitMs: 1000,
};

interface Start {
	driver?: string;
	memory?: Parameters<typeof memoryBlocks>[0];
	policy?: string;
	drivers?: string[];
}

/** A machine with one device, dax1.0. */
function machine(
	{ driver = 'device_dax', memory = {}, drivers = ['device_dax', 'kmem'], ...start }: Start,
	behaviour?: Behaviour,
) {
	const other = { 0: { state: 'online', zones: 'Normal' } };
	const entries: Entries = {
		...busDevice('dax1.0', { driver }),
		...memoryBlocks({ ...other, ...memory }),
		[policy]: start.policy ?? 'offline',
		...Object.fromEntries(drivers.map((name) => [`/sys/bus/dax/drivers/${name}/bind`, ''])),
	};
	if (!drivers.includes('kmem')) delete entries['/sys/bus/dax/drivers/kmem/bind'];
	const kernel = new FakeKernel(makeTree(temporaryDirectory(), entries), blocks, behaviour);
	const look = () => requireDevice(kernel.tree, 'dax1.0');
	const move = (mode: 'devdax' | 'system-ram', settings: Partial<Parameters<typeof reconfigure>[4]> = {}) =>
		reconfigure(kernel.tree, kernel, look(), mode, { ...usual, ...settings });
	return { kernel, look, move, policyNow: () => readFileSync(`${kernel.root}${policy}`, 'utf8').trim() };
}

const all = (state: string, zones: string) => Object.fromEntries(blocks.map((block) => [block, { state, zones }]));
const inRam = (zones = 'Movable') => ({ driver: 'kmem', memory: all('online', zones) });
const zonesOf = (zone: string) => Object.fromEntries(blocks.map((block) => [block, zone]));

describe('there and back', () => {
	test('by the driver’s files, with all blocks in zone Movable', async () => {
		const { kernel, look, move } = machine({});
		expect(await move('system-ram')).toBe(true);
		expect(look()).toMatchObject({ mode: 'system-ram', memory: { online: 7, total: 7, zone: 'Movable' } });
		expect(await move('system-ram')).toBe(false);
		expect(await move('devdax', { force: true })).toBe(true);
		expect(look()).toMatchObject({ mode: 'devdax', memory: undefined });
		expect([kernel.present(), kernel.isDead]).toEqual([['memory0'], false]);
	});
});

describe('the policy of bringing memory online', () => {
	test('is held off while the driver comes, which may take the device at once', async () => {
		const eager = { driver: 'kmem', device: 'dax1.0' };
		const { kernel, look, move, policyNow } = machine(
			{ driver: '', policy: 'online', drivers: ['device_dax'] },
			{ eager },
		);
		expect(await move('system-ram', { force: true })).toBe(true);
		expect(look()).toMatchObject({ mode: 'system-ram', memory: { online: 7, zone: 'Movable' } });
		expect(kernel.written.indexOf('auto_online_blocks offline')).toBeLessThan(kernel.written.indexOf('modprobe kmem'));
		expect([policyNow(), kernel.isDead]).toEqual(['online', false]);
	});

	test('that suits stays, and blocks that it has brought online are no reason to unbind', async () => {
		const eager = { driver: 'kmem', device: 'dax1.0' };
		const { kernel, look, move } = machine(
			{ driver: '', policy: 'online_movable', drivers: ['device_dax'] },
			{ eager },
		);
		expect(await move('system-ram')).toBe(true);
		expect(look()).toMatchObject({ mode: 'system-ram', memory: { online: 7, zone: 'Movable' } });
		expect(kernel.isDead).toBe(false);
	});
});

describe('a driver that does not take the device', () => {
	test.each([
		['device_dax', 'devdax', 'dax1.0 is in devdax mode, as before'],
		['fsdev_dax', 'famfs', 'dax1.0 is in famfs mode, as before'],
		['', 'disabled', 'dax1.0 has no driver, as before'],
	])('from "%s": it is %s as it was', async (driver, mode, said) => {
		const { look, move } = machine({ driver, drivers: ['device_dax', 'kmem', 'fsdev_dax'] }, { refusing: ['kmem'] });
		await expect(move('system-ram')).rejects.toMatchObject({
			code: 'ERR_DAXKIND_RECONFIGURE_FAILED',
			path: 'dax1.0',
			message: expect.stringContaining(said),
		});
		expect(look().mode).toBe(mode);
	});

	test('back from system RAM: the memory is online again, in its zones, whatever the policy', async () => {
		const { kernel, look, move, policyNow } = machine({ ...inRam(), policy: 'online' }, { refusing: ['device_dax'] });
		await expect(move('devdax', { force: true })).rejects.toThrow(
			/device_dax does not take dax1\.0: EINVAL.* system-ram mode, as before/,
		);
		expect(look().mode).toBe('system-ram');
		expect(kernel.zones()).toEqual(zonesOf('Movable'));
		expect(policyNow()).toBe('online');
	});

	test('if the old driver refuses the device, too, the error says to reboot', async () => {
		const refusing = ['kmem'];
		const { move, look } = machine(
			{},
			{ refusing, before: (path) => path.endsWith('device_dax/unbind') && refusing.push('device_dax') },
		);
		await expect(move('system-ram')).rejects.toMatchObject({
			remedy: 'reboot',
			message: expect.stringContaining('device_dax does not take it back either, so dax1.0 has no driver'),
		});
		expect(look().mode).toBe('disabled');
	});
});

describe('a driver that does not release the device', () => {
	test.each<[string, Behaviour, string, string | undefined]>([
		['all of its memory is online again', {}, 'as before', undefined],
		[
			'the error names the block that does not come online again',
			{ stuckOffline: [36] },
			'but not all of its memory is online',
			'echo online_movable > /sys/devices/system/memory/memory36/state',
		],
	])('%s', async (_, behaviour, said, remedy) => {
		const { kernel, look, move } = machine(inRam(), {
			...behaviour,
			before: (path) => {
				if (path.endsWith('kmem/unbind')) throw new WriteError('EBUSY');
			},
		});
		await expect(move('devdax', { force: true })).rejects.toMatchObject({
			code: 'ERR_DAXKIND_RECONFIGURE_FAILED',
			message: expect.stringContaining(`does not release dax1.0: EBUSY. dax1.0 is in system-ram mode, ${said}.`),
			remedy,
		});
		expect(look().mode).toBe('system-ram');
		expect(Object.keys(kernel.zones())).toHaveLength(remedy === undefined ? 7 : 6);
	});
});

describe('a driver that is not there', () => {
	test.each([
		['FATAL: Module kmem not found', 'and modprobe kmem fails: FATAL: Module kmem not found.'],
		['', 'There is no driver kmem, although modprobe kmem succeeded.'],
	])('after modprobe says "%s"', async (modprobe, said) => {
		const { look, move } = machine({ drivers: ['device_dax'] }, { modprobe });
		await expect(move('system-ram')).rejects.toMatchObject({
			code: 'ERR_DAXKIND_NO_DRIVER',
			message: expect.stringContaining(said),
			remedy: 'boot a kernel with CONFIG_DEV_DAX_KMEM',
		});
		expect(look().mode).toBe('devdax');
	});
});

describe('a block that does not come online', () => {
	test('takes the device back to where it was', async () => {
		const { kernel, look, move } = machine({}, { stuckOffline: [36] });
		await expect(move('system-ram')).rejects.toMatchObject({
			code: 'ERR_DAXKIND_MEMORY_FAILED',
			message: expect.stringMatching(
				/memory36 of dax1\.0 does not come online: ENOMEM.*dax1\.0 is in devdax mode, as before\.$/,
			),
		});
		expect(look().mode).toBe('devdax');
		expect([kernel.present(), kernel.isDead]).toEqual([['memory0'], false]);
	});

	test('if a block does not go offline again either, the error gives the command that helps', async () => {
		const { look, move, kernel } = machine({}, { stuckOffline: [36], stuckOnline: [34] });
		await expect(move('system-ram')).rejects.toMatchObject({
			code: 'ERR_DAXKIND_MEMORY_FAILED',
			message: expect.stringMatching(/One block is not as before.*dax1\.0 is in system-ram mode\. Fix: daxkind/),
			remedy: 'daxkind reconfigure-device --mode=devdax --force dax1.0',
		});
		expect(look().mode).toBe('system-ram');
		expect([kernel.zones(), kernel.isDead]).toEqual([{ 34: 'Movable' }, false]);
	});

	test('of a device that is system RAM already leaves the others as they were', async () => {
		const memory = { ...all('offline', 'Normal Movable'), 33: { state: 'online', zones: 'Movable' } };
		const { kernel, move } = machine({ driver: 'kmem', memory }, { stuckOffline: [36] });
		await expect(move('system-ram')).rejects.toThrow(/All blocks are as before/);
		expect(kernel.zones()).toEqual({ 33: 'Movable' });
	});
});

describe('somebody else who brings blocks on- and offline', () => {
	test('is no fault, on the way there', async () => {
		const { kernel, look, move } = machine(
			{},
			{ before: (path) => path.includes('memory36') && kernel.setBlock(36, 'online', 'Movable') },
		);
		expect(await move('system-ram')).toBe(true);
		expect(look().memory).toMatchObject({ online: 7, zone: 'Movable' });
	});

	test('nor on the way back', async () => {
		const { kernel, look, move } = machine(inRam(), {
			before: (path) => path.includes('memory36') && kernel.setBlock(36, 'offline', ''),
		});
		expect(await move('devdax', { force: true })).toBe(true);
		expect([look().mode, kernel.isDead]).toEqual(['devdax', false]);
	});

	test('again after all were offline: nothing is unbound, and all are as they were', async () => {
		const { kernel, look, move } = machine(inRam(), {
			before: (path, text) =>
				path.includes('memory39') && text === 'offline' && kernel.setBlock(33, 'online', 'Movable'),
		});
		await expect(move('devdax', { force: true })).rejects.toMatchObject({ code: 'ERR_DAXKIND_MEMORY_ONLINE' });
		expect(look().mode).toBe('system-ram');
		expect([kernel.zones(), kernel.isDead]).toEqual([zonesOf('Movable'), false]);
	});
});

describe('memory that does not go offline', () => {
	test('one busy block undoes the move, and the error names the block', async () => {
		const { kernel, look, move } = machine(inRam(), { stuckOnline: [36] });
		await expect(move('devdax', { force: true })).rejects.toMatchObject({
			code: 'ERR_DAXKIND_MEMORY_BUSY',
			message: expect.stringContaining('memory36 of dax1.0 cannot be taken offline'),
		});
		expect(look().mode).toBe('system-ram');
		expect(kernel.zones()).toEqual(zonesOf('Movable'));
	});

	test('an error that onProgress throws undoes the move', async () => {
		for (const step of ['offline', 'driver']) {
			const { kernel, move, look } = machine(inRam());
			const onProgress = (at: { step: string; done: number }) => {
				if (at.step === step && at.done === 0) throw new Error('from onProgress');
			};
			await expect(move('devdax', { force: true, onProgress })).rejects.toThrow('from onProgress');
			expect(look().mode).toBe('system-ram');
			expect(kernel.zones()).toEqual(zonesOf('Movable'));
		}
	});

	test('an abort in the middle of a block, which went offline all the same', async () => {
		const stop = new AbortController();
		const { kernel, move } = machine(inRam(), { after: (path) => path.includes('memory35') && stop.abort('enough') });
		await expect(move('devdax', { force: true, signal: stop.signal })).rejects.toBe('enough');
		expect(kernel.zones()).toEqual(zonesOf('Movable'));
	});
});

test('memory that is online in zone Normal is refused before anything is changed', async () => {
	const memory = { ...all('offline', 'Normal Movable'), 33: { state: 'online', zones: 'Normal' } };
	const { kernel, move } = machine({ driver: 'kmem', memory });
	await expect(move('system-ram')).rejects.toMatchObject({ code: 'ERR_DAXKIND_WRONG_ZONE' });
	expect(kernel.written).toEqual([]);
});

test.each([
	['fsdax', 'ERR_INVALID_ARG_VALUE', "The argument 'mode' must be one of 'devdax', 'system-ram'. Received 'fsdax'"],
	[undefined, 'ERR_INVALID_ARG_TYPE', 'The "mode" argument must be of type string. Received undefined'],
])('the mode %s is refused', async (mode, code, message) => {
	await expect(reconfigureDeviceAsync('dax0.0', mode as 'devdax')).rejects.toMatchObject({ code, message });
});
