// Moving a device between devdax and system-ram, by sysfs alone: what daxctl reconfigure-device does, and looks for what stands in the way
// before it begins.
import { invalidArgValue, refusal, type SystemError } from '../errors.ts';
import { type BootMode, modeAfterReboot } from './boot.ts';
import type { DaxDevice } from './device.ts';
import { bind, type Driver, driverOf, filesOf, requireDriver, unbind } from './drivers.ts';
import { requireDevice } from './find.ts';
import {
	emptyObstacle,
	modelObstacle,
	policyConflicts,
	policyOf,
	policyPath,
	toDevdax,
	toSystemRam,
	useOf,
} from './obstacles.ts';
import { bringOnline, requireMovable, takeOffline } from './online.ts';
import { type CheckedDeviceOptions, checkDeviceOptions, type DeviceOptions } from './options.ts';
import { forget, persist } from './persist.ts';
import { requirePrivilege } from './privilege.ts';
import { type Tree, treeAt } from './tree.ts';
import { Writer } from './writer.ts';

export interface ReconfigureOptions extends DeviceOptions {
	/** To system-ram: bring the memory online, too. Default true. */
	online?: boolean;
	/** To system-ram: in zone Movable, so that it can be taken offline again. Default true. */
	movable?: boolean;
	/**
	 * To devdax: take the memory offline first, which moves what is in it elsewhere. To system-ram: switch off the kernel's policy of bringing
	 * memory online by itself, if that is in the way, for as long as it takes. Default false.
	 */
	force?: boolean;
	/**
	 * Have the mode at each boot from now on (true), by a udev rule and a unit of systemd that call this copy of daxkind; or no more (false).
	 * Default: what there is stays.
	 */
	persist?: boolean;
}

/** What became of a device. */
export interface Reconfiguration {
	/** Whether anything was changed: neither, if it was in that mode with all its memory as wanted. */
	changed: boolean;
	/** The mode before. */
	before: DaxDevice['mode'];
	/** The device, as it is now. */
	device: DaxDevice;
	/** What mode it will be in after a reboot. */
	boot: BootMode;
}

type Settings = CheckedDeviceOptions & { online: boolean; movable: boolean; force: boolean };

/** Gives a device to another driver; if that does not take it, it goes back. */
async function move(
	tree: Tree,
	writer: Writer,
	device: DaxDevice,
	to: Driver,
	{ onProgress }: Settings,
): Promise<void> {
	const { name, driver: from } = device;
	onProgress({ step: 'driver', done: 0, total: 1 });
	await unbind(tree, writer, device);
	try {
		await bind(tree, writer, device, to);
	} catch (error) {
		const { code } = error as SystemError;
		const what = `The driver ${to} does not take ${name}: ${code}; the kernel's log has the reason (dmesg)`;
		if (from !== 'device_dax' && from !== 'kmem') throw failed(name, `${what}. It has no driver, as before`, error);
		await bind(tree, writer, device, from).catch(() => {});
		if (driverOf(tree, name) === from) throw failed(name, `${what}. It is in ${device.mode} mode, as before`, error);
		throw failed(name, `${what}. Nor does ${from} take it back, so that it has no driver`, error, 'reboot');
	}
	onProgress({ step: 'driver', done: 1, total: 1 });
}

const failed = (name: string, what: string, cause: unknown, remedy?: string) =>
	Object.assign(refusal('ERR_DAXKIND_RECONFIGURE_FAILED', name, what, remedy), { cause });

async function makeSystemRam(tree: Tree, writer: Writer, device: DaxDevice, settings: Settings): Promise<boolean> {
	const { name } = device;
	let changed = false;
	const policy = policyOf(tree);
	const inTheWay = policyConflicts(policy, settings);
	if (device.mode !== 'system-ram') {
		await requireDriver(tree, name, 'kmem');
		if (inTheWay) await writer.write(policyPath, 'offline');
		try {
			await move(tree, writer, device, 'kmem', settings);
		} finally {
			if (inTheWay) await writer.write(policyPath, policy!);
		}
		changed = true;
	}
	const now = requireDevice(tree, name);
	if (settings.online && now.memory !== undefined) {
		const count = await bringOnline(tree, writer, now.memory.blocks, settings.movable, settings);
		changed ||= count > 0;
		if (settings.movable) requireMovable(requireDevice(tree, name));
	}
	return changed;
}

async function makeDevdax(tree: Tree, writer: Writer, device: DaxDevice, settings: Settings): Promise<boolean> {
	const { name, mode, memory } = device;
	if (mode === 'devdax') return false;
	await requireDriver(tree, name, 'device_dax');
	if (memory !== undefined) {
		await takeOffline(tree, writer, device, memory.blocks, settings);
		// A driver that lets go of memory that is online takes the device with it until the next boot.
		const online = requireDevice(tree, name).memory?.online ?? 0;
		if (online > 0) {
			const what = `${online} memory blocks of ${name} have come online again while it was being changed`;
			throw refusal(
				'ERR_DAXKIND_MEMORY_ONLINE',
				name,
				what,
				'end what brings them online (a udev rule?), and try again',
			);
		}
	}
	await move(tree, writer, device, 'device_dax', settings);
	return true;
}

/** Everything that stands in the way, the first of it. */
function obstacle(tree: Tree, device: DaxDevice, mode: 'devdax' | 'system-ram', settings: Settings) {
	if (device.mode === mode) return modelObstacle(device);
	const before = modelObstacle(device) ?? emptyObstacle(device) ?? useOf(tree, device);
	if (before !== undefined) return before;
	if (mode === 'system-ram') return toSystemRam(tree, device, settings);
	return device.mode === 'system-ram' ? toDevdax(device, settings) : undefined;
}

/**
 * Moves a device from one mode to the other: `devdax`, where programs map its node, and `system-ram`, where its memory is ordinary memory of
 * a NUMA node (driver kmem). It looks first, and where anything stands in the way it throws and has changed nothing. If a step fails, the
 * device is as it was before, or the error says what it is now and what ends that. A process of its own writes to sysfs, so that the event
 * loop does not wait; a device of a TiB takes the kernel seconds.
 *
 * What was stored in it is not cleared, in either direction.
 *
 * @param device dax0.0, or its node.
 * @throws Error with `code`, `path` (the device) and `remedy`: ERR_DAXKIND_NO_DEVICE, ERR_DAXKIND_CLASS_DEVICE, ERR_DAXKIND_DEVICE_EMPTY,
 *   ERR_DAXKIND_DEVICE_IN_USE, ERR_DAXKIND_NO_TARGET_NODE, ERR_DAXKIND_NO_HOTPLUG, ERR_DAXKIND_DEVICE_TOO_SMALL, ERR_DAXKIND_AUTO_ONLINE, ERR_DAXKIND_NO_DRIVER,
 *   ERR_DAXKIND_MEMORY_ONLINE (without `force`), ERR_DAXKIND_MEMORY_BUSY, ERR_DAXKIND_WRONG_ZONE, ERR_DAXKIND_RECONFIGURE_FAILED;
 *   ERR_DAXKIND_NO_SYSTEMD and ERR_DAXKIND_FOREIGN_FILE (with `persist`).
 * @throws EACCES or EROFS (open) if this process may not; TypeError and RangeError for arguments; the signal's reason.
 * @example
 * const { device } = await reconfigureDevice('dax0.0', 'system-ram');
 * console.log(device.targetNode, device.memory?.online);
 */
export async function reconfigureDevice(
	device: string,
	mode: 'devdax' | 'system-ram',
	options?: ReconfigureOptions,
): Promise<Reconfiguration> {
	if (mode !== 'devdax' && mode !== 'system-ram') throw invalidArgValue('mode', "'devdax' or 'system-ram'", mode);
	const { persist: isToStay, ...settings } = checkDeviceOptions(options, {
		online: true,
		movable: true,
		force: false,
		persist: undefined as boolean | undefined,
	});
	const tree = treeAt();
	const found = requireDevice(tree, device);
	if (found.mode !== mode || (mode === 'system-ram' && settings.online)) {
		requirePrivilege(tree, found.name, filesOf(['device_dax', 'kmem']));
	}
	const refused = obstacle(tree, found, mode, settings);
	if (refused !== undefined) throw refused;
	const writer = new Writer();
	try {
		const make = mode === 'system-ram' ? makeSystemRam : makeDevdax;
		let changed = await make(tree, writer, found, settings);
		if (isToStay) changed = persist(tree, found, { mode, ...settings }) || changed;
		if (isToStay === false) changed = forget(tree, found) || changed;
		const { name } = found;
		return { changed, before: found.mode, device: requireDevice(tree, name), boot: modeAfterReboot(name) };
	} finally {
		await writer.close();
	}
}
