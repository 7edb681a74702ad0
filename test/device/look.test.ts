// What listDevices and listRegions make of sysfs, on trees that look like those of machines that we do not have.
import { chmodSync } from 'node:fs';
import { type DaxRegion, listDevices, listRegions } from 'daxkind/device';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { execFileSync } from '../helpers/children.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { busDevice, classDevice, type Entries, hmemDevice, makeTree, memoryBlocks } from '../helpers/tree.ts';

const machine = (...parts: Entries[]) => ({ root: makeTree(temporaryDirectory(), Object.assign({}, ...parts)) });

describe('listDevices', () => {
	test('finds none on a machine without device DAX, or without /sys', () => {
		const empty = machine({ '/etc/hostname': 'here' });
		expect(listDevices(empty)).toEqual([]);
		expect(listRegions(empty)).toEqual([]);
	});

	test('says of an nvdimm what it is, where it comes from, and what its memory would be', () => {
		expect(listDevices(machine(busDevice()))).toEqual([
			{
				name: 'dax1.0',
				path: '/dev/dax1.0',
				permissions: { mode: 0o644, uid: process.getuid!(), gid: process.getgid!() },
				major: 252,
				minor: 1,
				mode: 'devdax',
				driver: 'device_dax',
				size: 1054867456,
				align: 2 ** 21,
				start: 0x101200000,
				mappings: [{ pageOffset: 0, start: 0x101200000, end: 0x13fffffff, size: 0x3ee00000 }],
				numaNode: 0,
				targetNode: 1,
				region: 'region1',
				provider: 'ACPI.NFIT',
				namespace: 'namespace1.0',
				persistenceDomain: 'memory_controller',
				dynamic: false,
				model: 'bus',
				memory: undefined,
				reasons: {},
			},
		]);
	});

	test.each([
		['device_dax', 'devdax'],
		['kmem', 'system-ram'],
		['fsdev_dax', 'famfs'],
		['something_new', 'unknown'],
		['', 'disabled'],
	])('a device with the driver "%s" is in mode %s', (driver, mode) => {
		expect(listDevices(machine(busDevice('dax1.0', { driver })))).toMatchObject([
			{ mode, driver: driver || undefined },
		]);
	});

	test('in the class model a device is a level deeper, has no driver to be seen, and is devdax', () => {
		expect(listDevices(machine(classDevice()))).toMatchObject([
			{ name: 'dax0.0', mode: 'devdax', model: 'class', region: 'region0', provider: 'ACPI.NFIT', driver: undefined },
		]);
		expect(listRegions(machine(classDevice()))).toMatchObject([{ id: 0, name: 'region0', devices: ['dax0.0'] }]);
	});

	test('both models can be there at once', () => {
		const found = listDevices(machine(classDevice('dax0.0'), busDevice('dax1.0')));
		expect(found.map(({ name, model }) => [name, model])).toEqual([
			['dax0.0', 'class'],
			['dax1.0', 'bus'],
		]);
	});

	test('a dynamic region says how much of it is free', () => {
		expect(listRegions(machine(hmemDevice()))).toEqual([
			{
				id: 0,
				name: 'hmem.0',
				path: '/platform/hmem.0',
				provider: 'hmem',
				size: 2 ** 30,
				availableSize: 2 ** 29,
				align: 2 ** 21,
				dynamic: true,
				numaNode: 0,
				targetNode: 1,
				persistenceDomain: undefined,
				devices: ['dax0.0'],
				reasons: {},
			},
		]);
		expect(listDevices(machine(hmemDevice()))).toMatchObject([{ dynamic: true, provider: 'hmem', region: 'hmem.0' }]);
	});

	test('a dynamic region without a device is a region all the same', () => {
		const entries = Object.entries(hmemDevice()).filter(([path]) => !path.includes('dax0.0'));
		const options = machine(Object.fromEntries(entries));
		expect(listDevices(options)).toEqual([]);
		expect(listRegions(options)).toMatchObject([{ name: 'hmem.0', devices: [] }]);
	});

	test.skipIf(process.getuid!() !== 0)('what of a region is for root is undefined for others, and says so', () => {
		const { root } = machine(hmemDevice());
		const align = '/sys/devices/platform/hmem.0/dax_region/align';
		chmodSync(root, 0o755);
		chmodSync(`${root}${align}`, 0o400);
		const program = `import { listRegions } from 'daxkind/device';
			process.setuid(65534);
			console.log(JSON.stringify(listRegions({ root: ${JSON.stringify(root)} })));`;
		const said = execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
		const [region] = JSON.parse(said) as DaxRegion[];
		expect(region).toMatchObject({ size: 2 ** 30, reasons: { align: `EACCES: only root may read ${align}` } });
		expect(region!.align).toBeUndefined();
	});

	test('a class device is one by its place, where it does not say what it is', () => {
		const entries = Object.entries(classDevice()).filter(([path]) => !path.endsWith('/subsystem'));
		expect(listDevices(machine(Object.fromEntries(entries)))).toMatchObject([{ mode: 'devdax', model: 'class' }]);
	});

	test('of a block that is in part another’s, nothing is the device’s', () => {
		const blocks = { ...memoryBlocks({ 33: { state: 'online', zones: 'Movable' } }) };
		const entries = { ...busDevice('dax1.0', { driver: 'kmem' }), ...blocks };
		const mapping = Object.keys(entries).find((path) => path.endsWith('mapping0/end'))!;
		expect(listDevices(machine({ ...entries, [mapping]: '0x10bffffff' }))[0]!.memory).toMatchObject({ total: 0 });
	});

	test('-1 stands for no node', () => {
		expect(listDevices(machine(busDevice('dax1.0', { node: '-1' })))).toMatchObject([{ targetNode: undefined }]);
	});

	test('of a device that is system RAM, the memory blocks that lie in it count, and no others', () => {
		// The device begins in the middle of block 32 and ends with block 39.
		const online = { state: 'online', zones: 'Movable' };
		const blocks = memoryBlocks({
			32: { state: 'online', zones: 'Normal' },
			33: online,
			34: online,
			35: { state: 'offline', zones: 'Normal Movable' },
			40: online,
		});
		const [device] = listDevices(machine(busDevice('dax1.0', { driver: 'kmem' }), blocks));
		expect(device!.memory).toMatchObject({ blockSize: 2 ** 27, total: 3, online: 2, zone: 'Movable', movable: true });
		expect(
			device!.memory!.blocks.map(({ name, state, zone, possibleZones }) => [name, state, zone, possibleZones]),
		).toEqual([
			['memory33', 'online', 'Movable', []],
			['memory34', 'online', 'Movable', []],
			['memory35', 'offline', undefined, ['Normal', 'Movable']],
		]);
	});

	test.each([
		['all in zone Normal', ['Normal', 'Normal'], { zone: 'Normal', movable: false }],
		['in several zones', ['Normal', 'Movable'], { zone: 'mixed', movable: false }],
		['in none that the kernel says', ['', ''], { zone: undefined, movable: undefined }],
	])('blocks that are online %s', (_, [first, second], expected) => {
		const blocks = memoryBlocks({
			33: { state: 'online', zones: first! },
			34: { state: 'online', zones: second!, removable: '0' },
		});
		const [device] = listDevices(machine(busDevice('dax1.0', { driver: 'kmem' }), blocks));
		expect(device!.memory).toMatchObject({ ...expected, removable: false });
	});

	test('sysfs with anything in it gives an answer: numbers that are numbers, and never an error', () => {
		const text = fc.oneof(
			fc.constantFrom(
				'',
				'-1',
				'0',
				'0x',
				'0xzz',
				'1e9',
				'18446744073709551615',
				'0x1fffffffffffff',
				'NaN',
				'\0\0',
				' 7 ',
			),
			fc.string({ maxLength: 12 }).filter((value) => !/^[-=]> /.test(value)),
		);
		const sound = (value: number | undefined) => value === undefined || Number.isSafeInteger(value);
		fc.assert(
			fc.property(fc.array(fc.tuple(fc.nat(), fc.option(text)), { maxLength: 12 }), (changes) => {
				const entries: Entries = {
					...busDevice('dax1.0', { driver: 'kmem' }),
					...memoryBlocks({ 33: { state: 'online', zones: 'Movable' } }),
				};
				const files = Object.keys(entries).filter((path) => !String(entries[path]).startsWith('-> '));
				for (const [n, value] of changes) {
					const path = files[n % files.length]!;
					if (value === null) delete entries[path];
					else entries[path] = value;
				}
				const options = machine(entries);
				for (const device of listDevices(options)) {
					const { size, align, start, targetNode, numaNode, major, minor, memory } = device;
					for (const value of [size, align, start, targetNode, numaNode, major, minor]) expect(value).toSatisfy(sound);
					for (const value of [size, align, start, targetNode, numaNode]) expect(value ?? 0).toBeGreaterThanOrEqual(0);
					expect(memory?.online ?? 0).toBeLessThanOrEqual(memory?.total ?? 0);
				}
				for (const { id, size } of listRegions(options)) for (const value of [id, size]) expect(value).toSatisfy(sound);
			}),
			{ numRuns: 100 },
		);
	});

	test('options are checked', () => {
		expect(() => listDevices({ roots: '/' } as never)).toThrow(
			expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE' }),
		);
		expect(() => listDevices({ root: 7 as never })).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }));
		expect(() => listDevices({ root: '' })).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE' }));
		expect(() => listRegions({ root: '/no/such' })).toThrow(expect.objectContaining({ code: 'ENOENT' }));
	});
});
