// Device-DAX nodes: made of a pmem device, opened, given away as system RAM, and made an fsdax device again.
import { closeSync, openSync, realpathSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { mapFile, PmemKind } from 'daxkind';
import { explain, inspect, isDax } from 'daxkind/dax';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { scratch } from '../helpers/guest.ts';
import { has, sh } from '../helpers/scratch.ts';

describe.skipIf(!has('ndctl'))('a device-DAX node', () => {
	const namespace = basename(realpathSync(`/sys/block/${basename(scratch)}/device`));
	let name = '';
	let path = '';
	const drivers = '/sys/bus/dax/drivers';
	const drive = (driver: string, action: string) => writeFileSync(`${drivers}/${driver}/${action}`, name);

	beforeAll(() => {
		sh('modprobe -a dax_pmem device_dax kmem');
		sh(`ndctl create-namespace -f -e ${namespace} --mode=devdax`);
		name = namespace.replace('namespace', 'dax');
		path = `/dev/${name}`;
	});
	afterAll(() => {
		sh(`ndctl create-namespace -f -e ${namespace} --mode=fsdax --map=mem --align=4k`);
	});

	test('is on DAX, before and after somebody has opened it', () => {
		const said = () => [isDax(path), explain(path)] as const;
		const before = said();
		closeSync(openSync(path, 'r'));
		expect(said()).toEqual(before);
		expect(before[0]).toBe(true);
		expect(before[1]).toMatchObject({
			dax: true,
			checks: [
				{
					link: 'path',
					verdict: 'warning',
					finding: expect.stringContaining('device-DAX node'),
					remedy: expect.stringContaining(`ndctl create-namespace -f -e ${namespace} --mode=fsdax`),
				},
			],
		});
		expect(inspect(path)).toMatchObject({
			knownBy: 'driver',
			daxDevice: { name, mode: 'devdax', driver: 'device_dax', namespace, align: 2 ** 21, size: expect.any(Number) },
		});
	});

	test('is no file and no directory, and who is given it says what it is', () => {
		const what = expect.stringMatching(new RegExp(`device-DAX node.* Fix: .*-e ${namespace} --mode=fsdax`));
		expect(() => mapFile(path)).toThrow(expect.objectContaining({ code: 'ERR_DAXKIND_FILE_TYPE', message: what }));
		expect(() => PmemKind.create(path)).toThrow(
			expect.objectContaining({ code: 'ENOTDIR', syscall: 'open', path, message: what }),
		);
	});

	test('has no DAX without a driver, nor as system RAM', () => {
		drive('device_dax', 'unbind');
		expect(explain(path)).toMatchObject({
			dax: false,
			reason: expect.stringContaining('without a driver'),
			remedy: `enable it: daxkind enable-device ${name}`,
		});
		// The device's blocks of memory must stay offline, because it could not be unbound otherwise. new_id binds at
		// once.
		writeFileSync('/sys/devices/system/memory/auto_online_blocks', 'offline');
		drive('kmem', 'new_id');
		try {
			expect(isDax(path)).toBe(false);
			expect(explain(path)).toMatchObject({
				dax: false,
				reason: expect.stringMatching(/system RAM of NUMA node \d/),
				remedy: expect.stringContaining(`--mode=devdax ${name}`),
			});
			expect(() => mapFile(path)).toThrow(
				expect.objectContaining({ code: 'ENXIO', message: expect.stringContaining('system RAM') }),
			);
		} finally {
			drive('kmem', 'unbind');
			drive('kmem', 'remove_id');
		}
	});
});
