// Device-DAX devices of every sort that a VM has. What daxkind says of them is compared with the real daxctl, and they
// are moved for real.
import { readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import {
	createDeviceAsync,
	type DaxDevice,
	type DaxRegion,
	destroyDeviceAsync,
	deviceModel,
	disableDeviceAsync,
	enableDeviceAsync,
	getDevice,
	holdersOf,
	listDevices,
	listRegions,
	modeAfterReboot,
	offlineMemoryAsync,
	onlineMemoryAsync,
	reconfigureDeviceAsync,
} from 'daxkind/device';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { deviceJson, regionJson } from '#lib/cli/devices.js';
import { spawn } from '../helpers/children.ts';
import { cxl, devdax, hmem, smallDevdax } from '../helpers/guest.ts';
import { has, sh } from '../helpers/scratch.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';

const hasDaxctl = has('daxctl');
const hasPython = has('python3');
const autoOnline = '/sys/devices/system/memory/auto_online_blocks';
const name = basename(devdax);

/** The fields of ours that daxctl printed. daxctl leaves out fields that do not apply. */
function pick(said: Record<string, unknown>, ours: Record<string, unknown>): Record<string, unknown> {
	return Object.fromEntries(Object.keys(said).map((key) => [key, ours[key]]));
}

const daxctl = (...args: string[]) =>
	JSON.parse(sh(`daxctl list ${args.join(' ')}`) || '[]') as Record<string, unknown>[];

/** Compares all devices and regions with what daxctl lists. */
function compareWithDaxctl(): void {
	const devices = new Map(listDevices().map((device: DaxDevice) => [device.name, deviceJson(device)]));
	const listed = daxctl('-D', '-M', '-i');
	expect(listed.map(({ chardev }) => chardev).sort()).toEqual([...devices.keys()].sort());
	for (const said of listed) expect(pick(said, devices.get(said.chardev as string)!)).toEqual(said);
	const regions = new Map(listRegions().map((region: DaxRegion) => [region.path, regionJson(region)]));
	for (const { devices: _, ...said } of daxctl('-R', '-D', '-i')) {
		expect(pick(said, regions.get(said.path as string)!)).toEqual(said);
	}
}

/** A program that pins memory of a node, by putting it into a pipe, until its stdin ends. */
const pin = `
import ctypes, mmap, os, sys
libc = ctypes.CDLL(None, use_errno=True)
size = 1 << 20
memory = mmap.mmap(-1, size)
address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
node = ctypes.c_ulong(1 << int(sys.argv[1]))
SYS_mbind, MPOL_BIND = 237, 2
if libc.syscall(SYS_mbind, ctypes.c_ulong(address), ctypes.c_ulong(size), MPOL_BIND, ctypes.byref(node), ctypes.c_ulong(64), 0):
    sys.exit(os.strerror(ctypes.get_errno()))
memory.write(b"x" * size)
class Part(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
reader, writer = os.pipe()
if libc.vmsplice(writer, ctypes.byref(Part(address, 65536)), 1, 0) < 0:
    sys.exit(os.strerror(ctypes.get_errno()))
print("pinned", flush=True)
sys.stdin.read()
`;

const refused = (code: string, path: string, remedy: RegExp) =>
	expect.objectContaining({
		code,
		path,
		remedy: expect.stringMatching(remedy),
		message: expect.stringContaining('Fix: '),
	});

let policy = '';
beforeEach(() => {
	policy = readFileSync(autoOnline, 'utf8').trim();
	writeFileSync(autoOnline, 'offline');
});
afterEach(async () => {
	for (const device of [devdax, hmem]) await reconfigureDeviceAsync(device, 'devdax', { force: true });
	writeFileSync(autoOnline, policy);
});

describe('devices', () => {
	test.skipIf(!hasDaxctl)('are what daxctl lists, in each mode', async () => {
		compareWithDaxctl();
		await reconfigureDeviceAsync(devdax, 'system-ram');
		compareWithDaxctl();
		await offlineMemoryAsync(devdax);
		compareWithDaxctl();
	});

	test('are on the bus, where no migration is needed', () => {
		expect(deviceModel()).toMatchObject({ model: 'bus', migration: 'not-needed' });
	});

	test('tell where they come from', () => {
		expect(getDevice(devdax)).toMatchObject({
			provider: 'ACPI.NFIT',
			dynamic: false,
			persistenceDomain: 'memory_controller',
		});
		expect(getDevice(basename(hmem))).toMatchObject({ provider: 'hmem', dynamic: true, namespace: undefined });
		expect(getDevice(cxl)).toMatchObject({ provider: 'CXL', dynamic: false, persistenceDomain: 'memory_controller' });
		expect(getDevice(devdax).targetNode).not.toBe(getDevice(hmem).targetNode);
	});

	test('tell another user all but the addresses, and why', () => {
		const program = `import { listDevices } from 'daxkind/device'; console.log(JSON.stringify(listDevices()));`;
		const script = `${process.execPath} --input-type=module -e "${program}"`;
		const devices = JSON.parse(sh(`setpriv --reuid 65534 --regid 65534 --clear-groups ${script}`)) as DaxDevice[];
		for (const device of devices) {
			const { start, mappings, ...rest } = getDevice(device.name);
			expect(device).toMatchObject({
				name: rest.name,
				mode: rest.mode,
				size: rest.size,
				permissions: rest.permissions,
			});
			expect(device.start).toBeUndefined();
			expect(device.reasons.start).toMatch(/^EACCES: only root may read .*resource$/);
		}
	});
});

describe('reconfigureDeviceAsync', () => {
	test('moves a device to system-ram and back, ten times', async () => {
		const { targetNode } = getDevice(devdax);
		for (let round = 0; round < 10; round++) {
			const there = await reconfigureDeviceAsync(devdax, 'system-ram');
			expect(there).toMatchObject({ changed: true, before: 'devdax', device: { mode: 'system-ram' } });
			expect(there.device.memory).toMatchObject({ online: there.device.memory!.total, zone: 'Movable', movable: true });
			expect(readFileSync(`/sys/devices/system/node/node${targetNode}/meminfo`, 'utf8')).toMatch(/MemTotal: +[1-9]/);
			const back = await reconfigureDeviceAsync(devdax, 'devdax', { force: true });
			expect(back).toMatchObject({ changed: true, before: 'system-ram', device: { mode: 'devdax' } });
			expect(readFileSync('/proc/iomem', 'utf8')).not.toContain('(kmem)');
		}
	});

	test('says that nothing was done where there is nothing to do', async () => {
		expect(await reconfigureDeviceAsync(devdax, 'devdax')).toMatchObject({ changed: false });
		await reconfigureDeviceAsync(devdax, 'system-ram');
		expect(await reconfigureDeviceAsync(devdax, 'system-ram')).toMatchObject({ changed: false });
	});

	test('reports each block that goes on- or offline', async () => {
		const seen: string[] = [];
		const onProgress = ({ step, done, total }: { step: string; done: number; total: number }) =>
			seen.push(`${step} ${done}/${total}`);
		const { device } = await reconfigureDeviceAsync(devdax, 'system-ram', { onProgress });
		const total = device.memory!.total;
		expect(seen).toEqual([
			'driver 0/1',
			'driver 1/1',
			...Array.from({ length: total + 1 }, (_, n) => `online ${n}/${total}`),
		]);
	});

	test('leaves the memory offline if that is wanted', async () => {
		const { device } = await reconfigureDeviceAsync(devdax, 'system-ram', { online: false });
		expect(device.memory).toMatchObject({ online: 0 });
		expect(await reconfigureDeviceAsync(devdax, 'devdax')).toMatchObject({ changed: true });
	});

	test('refuses online memory without force, and a policy that would bring it online elsewhere', async () => {
		writeFileSync(autoOnline, 'online');
		await expect(reconfigureDeviceAsync(devdax, 'system-ram')).rejects.toEqual(
			refused('ERR_DAXKIND_AUTO_ONLINE', name, /force/),
		);
		expect(getDevice(devdax).mode).toBe('devdax');
		const { device } = await reconfigureDeviceAsync(devdax, 'system-ram', { force: true });
		expect(device.memory).toMatchObject({ movable: true });
		expect(readFileSync(autoOnline, 'utf8')).toBe('online\n');
		const online = refused('ERR_DAXKIND_MEMORY_ONLINE', name, /offline-memory/);
		await expect(reconfigureDeviceAsync(devdax, 'devdax')).rejects.toEqual(online);
		expect(getDevice(devdax).memory).toMatchObject({ online: device.memory!.total });
	});

	test('refuses a device that somebody maps, and names who', async () => {
		const program = `const { mapFile } = await import('daxkind'); const { DeviceKind } = await import('daxkind');
			const kind = DeviceKind.create('${devdax}'); console.log('mapped'); setInterval(() => {}, 1000);`;
		const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
			stdio: ['ignore', 'pipe', 'inherit'],
		});
		try {
			await new Promise((resolve) => child.stdout.once('data', resolve));
			await expect(reconfigureDeviceAsync(devdax, 'system-ram')).rejects.toEqual(
				expect.objectContaining({
					code: 'ERR_DAXKIND_DEVICE_IN_USE',
					path: name,
					message: expect.stringContaining(`process ${child.pid}`),
				}),
			);
			await expect(disableDeviceAsync(devdax)).rejects.toMatchObject({ code: 'ERR_DAXKIND_DEVICE_IN_USE' });
			expect(child.exitCode).toBeNull();
		} finally {
			const ended = new Promise((resolve) => child.once('exit', resolve));
			child.kill();
			await ended;
		}
	});

	test.skipIf(!hasPython)('refuses a device that somebody maps by a node of another name', async () => {
		const { major, minor } = getDevice(devdax);
		const node = join(temporaryDirectory(), 'pmem');
		sh(`mknod ${node} c ${major} ${minor}`);
		const program = `import mmap, os, sys
memory = mmap.mmap(os.open(${JSON.stringify(node)}, os.O_RDWR), 1 << 21)
print("mapped", flush=True)
sys.stdin.read()`;
		const child = spawn('python3', ['-c', program], { stdio: ['pipe', 'pipe', 'inherit'] });
		const ended = new Promise((resolve) => child.once('exit', resolve));
		try {
			await new Promise((resolve) => child.stdout.once('data', resolve));
			expect(holdersOf(getDevice(devdax))).toEqual([{ pid: child.pid, command: 'python3' }]);
			await expect(reconfigureDeviceAsync(devdax, 'system-ram')).rejects.toEqual(
				refused('ERR_DAXKIND_DEVICE_IN_USE', name, new RegExp(`kill ${child.pid}`)),
			);
		} finally {
			child.stdin.end();
			await ended;
		}
	});

	test('knows a device by another node, and a block device of its numbers for what it is', async () => {
		const { major, minor } = getDevice(devdax);
		const directory = temporaryDirectory();
		sh(`cd ${directory} && mknod same c ${major} ${minor} && mknod other b ${major} ${minor}`);
		expect(getDevice(join(directory, 'same')).name).toBe(name);
		const other = join(directory, 'other');
		await expect(reconfigureDeviceAsync(other, 'devdax')).rejects.toEqual(
			refused('ERR_DAXKIND_NO_DEVICE', other, /dax/),
		);
	});

	test.skipIf(!hasPython)('gives up memory with a pinned page, names why, and leaves it online', async () => {
		const { device } = await reconfigureDeviceAsync(devdax, 'system-ram');
		const child = spawn('python3', ['-c', pin, `${device.targetNode}`], { stdio: ['pipe', 'pipe', 'inherit'] });
		const ended = new Promise((resolve) => child.once('exit', resolve));
		try {
			await new Promise((resolve) => child.stdout.once('data', resolve));
			const busy = refused('ERR_DAXKIND_MEMORY_BUSY', name, /end the programs that use that memory/);
			const moving = reconfigureDeviceAsync(devdax, 'devdax', { force: true, blockLimitMs: 3000 });
			await expect(moving).rejects.toEqual(busy);
			await expect(moving).rejects.toThrow(/could not move its pages within 3 s.*pinned/);
			expect(getDevice(devdax)).toMatchObject({
				mode: 'system-ram',
				memory: { online: device.memory!.total, zone: 'Movable' },
			});
		} finally {
			child.stdin.end();
			await ended;
		}
		expect(await reconfigureDeviceAsync(devdax, 'devdax', { force: true })).toMatchObject({ changed: true });
	});

	test('refuses a device whose memory would be on no node', async () => {
		const nowhere = join(temporaryDirectory(), 'target_node');
		writeFileSync(nowhere, '-1\n');
		const file = `${realpathSync(`/sys/bus/dax/devices/${name}`)}/target_node`;
		sh(`mount --bind ${nowhere} ${file}`);
		try {
			const noNode = refused('ERR_DAXKIND_NO_TARGET_NODE', name, /firmware/);
			await expect(reconfigureDeviceAsync(devdax, 'system-ram')).rejects.toEqual(noNode);
			expect(getDevice(devdax)).toMatchObject({ mode: 'devdax', targetNode: undefined });
		} finally {
			sh(`umount ${file}`);
		}
	});

	test('refuses where the kernel has no driver for it', async () => {
		const program = '/proc/sys/kernel/modprobe';
		const modprobe = readFileSync(program, 'utf8');
		sh('modprobe -r kmem');
		writeFileSync(program, '/bin/false');
		try {
			const noDriver = refused('ERR_DAXKIND_NO_DRIVER', name, /CONFIG_DEV_DAX_KMEM/);
			await expect(reconfigureDeviceAsync(devdax, 'system-ram')).rejects.toEqual(noDriver);
			expect(getDevice(devdax).mode).toBe('devdax');
		} finally {
			writeFileSync(program, modprobe);
		}
		expect(await reconfigureDeviceAsync(devdax, 'system-ram')).toMatchObject({ changed: true });
	});

	test('refuses a device without a whole memory block', async () => {
		const small = basename(smallDevdax);
		await expect(reconfigureDeviceAsync(smallDevdax, 'system-ram')).rejects.toEqual(
			refused('ERR_DAXKIND_DEVICE_TOO_SMALL', small, /larger/),
		);
		expect(getDevice(smallDevdax).mode).toBe('devdax');
	});

	test.each([
		['one that there is not', 'dax99.0', /dax/],
		['a node of something else', '/dev/null', /dax/],
		['a path that there is not', '/dev/dax99.0', /dax/],
	])('refuses %s', async (_, device, remedy) => {
		await expect(reconfigureDeviceAsync(device, 'devdax')).rejects.toEqual(
			refused('ERR_DAXKIND_NO_DEVICE', device, remedy),
		);
	});

	test('can be aborted while blocks go online, which stay as they are', async () => {
		const stop = new AbortController();
		const onProgress = ({ step, done }: { step: string; done: number }) =>
			step === 'online' && done === 1 && stop.abort('enough');
		await expect(reconfigureDeviceAsync(devdax, 'system-ram', { signal: stop.signal, onProgress })).rejects.toBe(
			'enough',
		);
		expect(getDevice(devdax)).toMatchObject({ mode: 'system-ram', memory: { online: 1 } });
	});
});

describe('persist', () => {
	const files = () =>
		sh('ls /etc/udev/rules.d/*daxkind* /etc/systemd/system/daxkind* 2>/dev/null || true').split('\n').filter(Boolean);

	test('has the mode at each boot, by a rule that knows the device and a unit that sets it', async () => {
		sh('mkdir -p /etc/udev/rules.d /etc/systemd/system');
		const uuid = sh(`cat ${realpathSync(`/sys/bus/dax/devices/${name}`)}/../uuid`);
		const there = await reconfigureDeviceAsync(devdax, 'system-ram', { persist: true, movable: false });
		expect(there.boot).toMatchObject({ mode: 'system-ram', applied: true });
		const [unit = '', rule = ''] = files();
		expect(readFileSync(rule, 'utf8')).toContain(`ATTRS{uuid}=="${uuid}"`);
		const command = /^ExecStart=(.*)$/m.exec(readFileSync(unit, 'utf8'))![1]!;
		expect(command).toContain('--no-movable');
		// This is what systemd would run after a boot.
		await reconfigureDeviceAsync(devdax, 'devdax', { force: true });
		sh(command.replaceAll('%I', name));
		expect(getDevice(devdax)).toMatchObject({ mode: 'system-ram', memory: { zone: 'Normal' } });
		expect(await reconfigureDeviceAsync(devdax, 'devdax', { force: true, persist: false })).toMatchObject({
			boot: { mode: 'devdax' },
		});
		expect(files()).toEqual([]);
		expect(await reconfigureDeviceAsync(devdax, 'devdax', { persist: false })).toMatchObject({ changed: false });
	});

	test('knows Soft Reserved memory by its address', async () => {
		const { start } = getDevice(hmem);
		await reconfigureDeviceAsync(hmem, 'devdax', { persist: true });
		expect(readFileSync(files()[1]!, 'utf8')).toContain(`ATTR{resource}=="0x${start!.toString(16)}"`);
		expect(modeAfterReboot(hmem)).toMatchObject({ mode: 'devdax', applied: true });
		await reconfigureDeviceAsync(hmem, 'devdax', { persist: false });
		expect(modeAfterReboot(hmem)).toMatchObject({ mode: 'unknown' });
	});
});

describe('onlineMemoryAsync and offlineMemoryAsync', () => {
	test('bring a device’s blocks online in a zone, and say where they are', async () => {
		const { device } = await reconfigureDeviceAsync(devdax, 'system-ram', { online: false });
		const total = device.memory!.total;
		expect(await onlineMemoryAsync(devdax, { movable: false })).toMatchObject({
			changed: total,
			device: { memory: { zone: 'Normal' } },
		});
		await expect(onlineMemoryAsync(devdax)).rejects.toEqual(refused('ERR_DAXKIND_WRONG_ZONE', name, /offline-memory/));
		expect(await offlineMemoryAsync(devdax)).toMatchObject({ changed: total });
		expect(await offlineMemoryAsync(devdax)).toMatchObject({ changed: 0 });
		expect(await onlineMemoryAsync(devdax)).toMatchObject({ changed: total, device: { memory: { zone: 'Movable' } } });
	});

	test('are for devices in system-ram mode', async () => {
		const wrong = refused('ERR_DAXKIND_WRONG_MODE', name, /system-ram/);
		await expect(onlineMemoryAsync(devdax)).rejects.toEqual(wrong);
		await expect(offlineMemoryAsync(devdax)).rejects.toEqual(wrong);
	});
});

describe('dynamic regions', () => {
	test('devices are made, used and removed', async () => {
		const region = getDevice(hmem).region!;
		const full = refused('ERR_DAXKIND_REGION_FULL', region, /destroy-device/);
		await expect(createDeviceAsync(region)).rejects.toEqual(full);
		const whole = getDevice(hmem).size!;
		expect((await destroyDeviceAsync(hmem)).region).toMatchObject({ availableSize: whole });
		try {
			const empty = refused('ERR_DAXKIND_DEVICE_EMPTY', basename(hmem), /create-device/);
			await expect(enableDeviceAsync(hmem)).rejects.toEqual(empty);
			await expect(reconfigureDeviceAsync(hmem, 'system-ram')).rejects.toEqual(empty);
			const { device } = await createDeviceAsync(region, { size: whole / 2 });
			expect(device).toMatchObject({ mode: 'devdax', size: whole / 2, region });
			await destroyDeviceAsync(device.name);
			expect(listRegions().find(({ name: one }) => one === region)).toMatchObject({ availableSize: whole });
			await expect(createDeviceAsync(region, { size: whole + 2 ** 21 })).rejects.toMatchObject({
				code: 'ERR_DAXKIND_REGION_FULL',
			});
			await expect(createDeviceAsync(region, { size: 4097 })).rejects.toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
		} finally {
			const { device } = await createDeviceAsync(region);
			expect(device.size).toBe(whole);
			expect(device.path).toBe(hmem);
		}
	});

	test('a static region is ndctl’s', async () => {
		const region = getDevice(devdax).region!;
		await expect(createDeviceAsync(region)).rejects.toEqual(refused('ERR_DAXKIND_STATIC_REGION', region, /ndctl/));
		await expect(destroyDeviceAsync(devdax)).rejects.toEqual(refused('ERR_DAXKIND_STATIC_REGION', region, /ndctl/));
		await expect(createDeviceAsync('nowhere')).rejects.toEqual(refused('ERR_DAXKIND_NO_REGION', 'nowhere', /hmem\.0/));
	});

	test('a device without a driver is disabled, and enabled again', async () => {
		expect(await disableDeviceAsync(devdax)).toMatchObject({ changed: true, device: { mode: 'disabled' } });
		expect(await disableDeviceAsync(devdax)).toMatchObject({ changed: false });
		expect(await enableDeviceAsync(devdax)).toMatchObject({ changed: true, device: { mode: 'devdax' } });
		expect(await enableDeviceAsync(devdax)).toMatchObject({ changed: false });
		await reconfigureDeviceAsync(devdax, 'system-ram');
		await expect(disableDeviceAsync(devdax)).rejects.toEqual(
			refused('ERR_DAXKIND_MEMORY_ONLINE', name, /offline-memory/),
		);
	});
});
