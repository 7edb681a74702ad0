// Mappings of device-DAX devices: of an nvdimm, of Soft Reserved memory, of a CXL device.
import { readFileSync } from 'node:fs';
import { DeviceKind, type MapDeviceOptions, mapDevice } from 'daxkind';
import { getDevice } from 'daxkind/device';
import { PmemLog } from 'daxkind/persist';
import { expect, onTestFinished, test } from 'vitest';
import { MIB } from '#lib/size.js';
import { execFileSync } from '../helpers/children.ts';
import { cxl, devdax, hmem, scratch } from '../helpers/guest.ts';

const { align, size } = getDevice(devdax) as { align: number; size: number };
const code = (code: string) => expect.objectContaining({ code });

/** Maps a device. The mapping is unmapped after the test. */
function map(device: string, options?: MapDeviceOptions) {
	const mapping = mapDevice(device, options);
	onTestFinished(() => mapping.unmap());
	return mapping;
}

test('a mapping has all of the device at its alignment, and what is stored there stays', () => {
	const mapping = map(devdax);
	const length = Math.floor(size / align) * align;
	expect(mapping).toMatchObject({ length, source: 'device', sharing: 'shared', path: devdax, writable: true });
	mapping.write(0, Buffer.from('first'));
	mapping.fill(align, 7, 3 * MIB);
	mapping.buffer.write('last', length - 4);
	mapping.persist(length - 4, 4);
	mapping.deepFlush();
	mapping.unmap();
	const again = map(devdax, { offset: align, length: length - align });
	expect(again.buffer.subarray(0, 3 * MIB).every((byte) => byte === 7)).toBe(true);
	expect(again.at(again.length - 4, 4).toString()).toBe('last');
	const maps = readFileSync('/proc/self/maps', 'utf8').split('\n');
	const [range] = maps.find((line) => line.endsWith(devdax))!.split(' ');
	expect(Number.parseInt(range!, 16) % align).toBe(0);
});

test('what another process reads is what was stored', () => {
	const mapping = map(devdax);
	mapping.write(12_345, Buffer.from('between processes'));
	const program = `import('daxkind').then(({ mapDevice }) => console.log(mapDevice(process.argv[1]).at(12345, 17).toString()))`;
	expect(execFileSync(process.execPath, ['-e', program, devdax], { encoding: 'utf8' }).trim()).toBe(
		'between processes',
	);
});

test('the granularity is that of the device, with the reason', () => {
	const nvdimm = map(devdax);
	expect(nvdimm.granularity).toBe('cache-line');
	expect(nvdimm.why.evidence).toEqual([
		{ value: 'memory_controller', source: expect.stringMatching(/region\d+\/persistence_domain$/) },
	]);
	expect(map(hmem).why.evidence[0]).toMatchObject({ source: expect.stringContaining('no nvdimm region') });
	expect(map(cxl).why.evidence[0]).toMatchObject({ value: 'memory_controller' });
	expect(() => mapDevice(devdax, { granularity: 'byte' })).toThrow(code('ERR_DAXKIND_GRANULARITY'));
});

test('a part that is unaligned, empty or too long is refused', () => {
	for (const options of [{ offset: 4096 }, { length: align + 1 }, { offset: size * 2 }, { length: size + align }]) {
		expect(() => mapDevice(devdax, options)).toThrow(code('ERR_OUT_OF_RANGE'));
	}
	expect(() => mapDevice(devdax, { length: 0 })).toThrow(code('ERR_OUT_OF_RANGE'));
	expect(() => mapDevice(scratch)).toThrow(code('ERR_DAXKIND_NO_DEVICE'));
	expect(() => mapDevice(devdax, { sharing: 'private' } as never)).toThrow(code('ERR_INVALID_ARG_VALUE'));
});

test('a kind and a mapping never have the same bytes, and two mappings may', async () => {
	const kind = DeviceKind.create(devdax, { size: 16 * align });
	expect(() => mapDevice(devdax)).toThrow(code('ERR_DAXKIND_DEVICE_BUSY'));
	map(devdax, { offset: 16 * align, length: align });
	kind.close();
	const one = map(devdax);
	map(devdax);
	expect(() => DeviceKind.create(devdax)).toThrow(code('ERR_DAXKIND_DEVICE_BUSY'));
	await one.persistAsync();
});

test('when all mappings are unmapped, a kind can have the device', () => {
	map(devdax).unmap();
	const kind = DeviceKind.create(devdax, { size: 16 * align });
	expect(kind.capacity).toBe(16 * align);
	kind.close();
});

test('a log is on a device, too', () => {
	map(hmem).fill(0, 0, MIB);
	const log = PmemLog.open(hmem, { size: MIB, granularity: 'cache-line' });
	onTestFinished(() => log.close());
	log.append('on a device');
	expect(() => PmemLog.open(hmem)).toThrow(code('ERR_DAXKIND_LOG_BUSY'));
	log.close();
	const again = PmemLog.open(hmem);
	expect([...again.iterate()].map(({ data }) => data.toString())).toEqual(['on a device']);
	expect(again.size).toBe(MIB);
	again.close();
});
