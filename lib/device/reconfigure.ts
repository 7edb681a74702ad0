// Moves a device between devdax and system-ram, by sysfs alone. It does what daxctl reconfigure-device does, and looks
// first for what stands in the way.
import { requireOneOf } from '../arguments.ts';
import { type DaxkindRefusal, refusal, type SystemError, withoutFix } from '../errors.ts';
import { machine, type Tree } from '../tree.ts';
import { bringOnline, restore, takeOffline } from './blocks.ts';
import { type DeviceBootMode, modeAfterReboot } from './boot.ts';
import type { DaxDevice } from './device.ts';
import { bind, type Driver, driverOf, filesOf, requireDriver, unbind } from './drivers.ts';
import { requireDevice } from './find.ts';
import type { Kernel } from './kernel.ts';
import type { DeviceMemory, MemoryBlock } from './memory.ts';
import {
	emptyObstacle,
	modelObstacle,
	policyConflicts,
	policyOf,
	policyPath,
	requireMovable,
	toDevdax,
	toSystemRam,
	useOf,
} from './obstacles.ts';
import { type CheckedOperationOptions, checkDeviceOptions, type DeviceOperationOptions } from './options.ts';
import { forget, type Persistence, persist, requirePersistable } from './persist.ts';
import { requirePrivilege } from './privilege.ts';
import { Writer } from './writer.ts';

export interface ReconfigureDeviceOptions extends DeviceOperationOptions {
	/** To system-ram: bring the memory online, too. Default true. */
	online?: boolean;
	/** To system-ram: bring it online in zone Movable, so that it can be taken offline again. Default true. */
	movable?: boolean;
	/**
	 * To devdax: take the memory offline first, which moves its content elsewhere. To system-ram: if the kernel's policy
	 * of bringing memory online by itself is in the way, switch it off for as long as the move takes. Default false.
	 */
	force?: boolean;
	/**
	 * True: set the mode at each boot from now on, by a udev rule and a unit of systemd that call this copy of daxkind.
	 * False: stop doing so. Default: what is there stays.
	 */
	persist?: boolean;
}

/** What an operation did to a device. */
export interface DeviceReconfiguration {
	/**
	 * Whether anything was changed. It is false if the device was in that mode already, with all its memory as wanted.
	 */
	changed: boolean;
	/** The mode before. */
	before: DaxDevice['mode'];
	/** The device, as it is now. */
	device: DaxDevice;
	/** What mode it will be in after a reboot. */
	boot: DeviceBootMode;
}

type Settings = CheckedOperationOptions & { online: boolean; movable: boolean; force: boolean };

const failed = (name: string, what: string, cause: unknown, remedy?: string) =>
	Object.assign(refusal('ERR_DAXKIND_RECONFIGURE_FAILED', name, what, remedy), { cause });

/** The code of a refusal or a system error. */
const codeOf = (error: unknown) => (error as Partial<SystemError>).code ?? `${error}`;

/** Makes the kernel leave memory offline that is added meanwhile. */
async function withoutOnlining<T>(tree: Tree, kernel: Kernel, body: () => Promise<T>): Promise<T> {
	const policy = policyOf(tree);
	if (policy === undefined || policy === 'offline') return body();
	await kernel.write(policyPath, 'offline');
	try {
		return await body();
	} finally {
		await kernel.write(policyPath, policy);
	}
}

/** The blocks that were online. */
const onlineBlocks = (memory: DeviceMemory | undefined): MemoryBlock[] =>
	memory?.blocks.filter(({ state }) => state !== 'offline') ?? [];

const stateOf = ({ name, mode }: DaxDevice) =>
	`${name} ${mode === 'disabled' ? 'has no driver' : `is in ${mode} mode`}`;

/** Whether all of a device's memory could be restored, by the commands that are left to do. */
const asBefore = (rest: readonly string[]) => (rest.length === 0 ? 'as before' : 'but not all of its memory is online');

/**
 * Gives a device back to its former driver, with its memory online as it was.
 *
 * @returns The commands that bring back what this did not. Undefined if the driver did not take the device.
 */
async function giveBack(
	tree: Tree,
	kernel: Kernel,
	{ name, driver, memory }: DaxDevice,
): Promise<string[] | undefined> {
	if (driver === undefined) return [];
	await withoutOnlining(tree, kernel, () => bind(tree, kernel, name, driver)).catch(() => {});
	if (driverOf(tree, name) !== driver) return undefined;
	return restore(tree, kernel, onlineBlocks(memory));
}

/**
 * Gives a device to another driver. If that driver does not take it, its former driver gets it back.
 *
 * @param before The device as it was before its memory was taken offline.
 */
async function move(
	tree: Tree,
	kernel: Kernel,
	before: DaxDevice,
	to: Driver,
	{ onProgress }: CheckedOperationOptions,
): Promise<void> {
	const { name, driver } = before;
	try {
		onProgress({ step: 'driver', done: 0, total: 1 });
		await unbind(tree, kernel, name);
	} catch (error) {
		const rest = await restore(tree, kernel, onlineBlocks(before.memory));
		if ((error as Partial<SystemError>).syscall === undefined) throw error;
		const what = `The driver ${driver} does not release ${name}: ${codeOf(error)}`;
		throw failed(name, `${what}. ${stateOf(before)}, ${asBefore(rest)}`, error, rest.join('; ') || undefined);
	}
	try {
		await bind(tree, kernel, name, to);
	} catch (error) {
		const what = `The driver ${to} does not take ${name}: ${codeOf(error)}. The kernel's log has the reason (dmesg)`;
		const rest = await giveBack(tree, kernel, before);
		if (rest === undefined)
			throw failed(name, `${what}. ${driver} does not take it back either, so ${name} has no driver`, error, 'reboot');
		throw failed(name, `${what}. ${stateOf(before)}, ${asBefore(rest)}`, error, rest.join('; ') || undefined);
	}
	onProgress({ step: 'driver', done: 1, total: 1 });
}

/** Moves a device to system-ram mode. Returns whether there was anything to do. */
async function makeSystemRam(tree: Tree, kernel: Kernel, device: DaxDevice, settings: Settings): Promise<boolean> {
	const { name } = device;
	const give = async () => {
		await requireDriver(tree, kernel, name, 'kmem');
		if (requireDevice(tree, name).mode !== 'system-ram') await move(tree, kernel, device, 'kmem', settings);
	};
	const isToMove = device.mode !== 'system-ram';
	if (isToMove) await (policyConflicts(policyOf(tree), settings) ? withoutOnlining(tree, kernel, give) : give());
	const now = isToMove ? requireDevice(tree, name) : device;
	if (!settings.online || now.memory === undefined) return isToMove;
	try {
		const count = await bringOnline(tree, kernel, now, now.memory.blocks, settings.movable, settings);
		if (settings.movable) requireMovable(requireDevice(tree, name));
		return isToMove || count > 0;
	} catch (error) {
		if (!isToMove || codeOf(error) !== 'ERR_DAXKIND_MEMORY_FAILED') throw error;
		throw await undone(tree, kernel, device, error as DaxkindRefusal);
	}
}

/**
 * Takes a device back to its former mode, because its memory does not come online. Returns the error, which also says
 * whether that succeeded.
 */
async function undone(tree: Tree, kernel: Kernel, before: DaxDevice, error: DaxkindRefusal): Promise<DaxkindRefusal> {
	const { name } = before;
	const isBack = await unbind(tree, kernel, name)
		.then(() => giveBack(tree, kernel, before))
		.then((rest) => rest !== undefined)
		.catch(() => false);
	const state = isBack ? `${stateOf(before)}, as before` : `${name} is in system-ram mode`;
	const said = withoutFix(error.message, error.remedy).replace(/\.$/, '');
	const remedy = isBack ? undefined : `daxkind reconfigure-device --mode=devdax --force ${name}`;
	return Object.assign(refusal('ERR_DAXKIND_MEMORY_FAILED', name, `${said}. ${state}`, remedy), { cause: error.cause });
}

/** Moves a device to devdax mode. Returns whether there was anything to do. */
async function makeDevdax(tree: Tree, kernel: Kernel, device: DaxDevice, settings: Settings): Promise<boolean> {
	const { name, mode, memory } = device;
	if (mode === 'devdax') return false;
	await requireDriver(tree, kernel, name, 'device_dax');
	if (requireDevice(tree, name).mode === 'devdax') return true;
	if (memory !== undefined) await takeOffline(tree, kernel, device, memory.blocks, settings);
	await move(tree, kernel, device, 'device_dax', settings);
	return true;
}

/**
 * Does what {@link reconfigureDeviceAsync} does, for a device of a tree.
 *
 * @throws What stands in the way, before anything is changed.
 */
export async function reconfigure(
	tree: Tree,
	kernel: Kernel,
	device: DaxDevice,
	mode: 'devdax' | 'system-ram',
	settings: Settings,
): Promise<boolean> {
	const refused = obstacle(tree, device, mode, settings);
	if (refused !== undefined) throw refused;
	if (mode === 'devdax') return makeDevdax(tree, kernel, device, settings);
	if (settings.online && settings.movable) requireMovable(device);
	return makeSystemRam(tree, kernel, device, settings);
}

/** The first of all things that stand in the way. */
function obstacle(tree: Tree, device: DaxDevice, mode: 'devdax' | 'system-ram', settings: Settings) {
	if (device.mode === mode) return undefined;
	const before = modelObstacle(device) ?? emptyObstacle(device) ?? useOf(tree, device);
	if (before !== undefined) return before;
	if (mode === 'system-ram') return toSystemRam(tree, device, settings);
	return device.mode === 'system-ram' ? toDevdax(device, settings) : undefined;
}

/**
 * Sets the mode at each boot, or stops doing so. The device is in that mode by now. Returns whether anything was
 * changed.
 */
function keep(tree: Tree, device: DaxDevice, how: Persistence | undefined): boolean {
	try {
		return how === undefined ? forget(tree, device) : persist(tree, device, how);
	} catch (error) {
		const what = `The mode of ${device.name} is set, but the files that set it at each boot could not be ${how === undefined ? 'removed' : 'written'}: ${codeOf(error)}`;
		throw failed(device.name, what, error, 'remove the cause of that error, and try again');
	}
}

/**
 * Moves a device from one mode to the other. In `devdax` mode, programs map its node. In `system-ram` mode, its memory
 * is ordinary memory of a NUMA node (driver kmem). It looks first. If anything stands in the way, for example a process
 * that maps the device, it throws and has changed nothing. If a step fails, the device is as it was before, or the
 * error says how it is now and what fixes that.
 *
 * A process of its own writes to sysfs, so the event loop does not wait. A device of a TiB takes the kernel seconds,
 * and taking memory offline can take longer: see `blockLimitMs`. What was stored in the device is not cleared, in
 * either direction.
 *
 * @param device dax0.0, or its node.
 * @throws Error with `code`, `path` (the device) and `remedy`: ERR_DAXKIND_NO_DEVICE, ERR_DAXKIND_CLASS_DEVICE,
 * ERR_DAXKIND_DEVICE_EMPTY, ERR_DAXKIND_DEVICE_IN_USE, ERR_DAXKIND_NO_TARGET_NODE, ERR_DAXKIND_NO_HOTPLUG,
 * ERR_DAXKIND_DEVICE_TOO_SMALL, ERR_DAXKIND_AUTO_ONLINE, ERR_DAXKIND_NO_DRIVER, ERR_DAXKIND_MEMORY_ONLINE (without
 * `force`), ERR_DAXKIND_MEMORY_BUSY, ERR_DAXKIND_MEMORY_FAILED, ERR_DAXKIND_WRONG_ZONE, ERR_DAXKIND_RECONFIGURE_FAILED;
 * ERR_DAXKIND_NO_SYSTEMD and ERR_DAXKIND_FOREIGN_FILE (with `persist`).
 * @throws EACCES or EROFS (open) if this process may not write; ENOENT (open) or ENODATA (read) if the table of mounts
 * cannot be read; TypeError and RangeError for arguments; the signal's reason.
 * @example
 * const { device } = await reconfigureDeviceAsync('dax0.0', 'system-ram');
 * console.log(device.targetNode, device.memory?.online);
 */
export async function reconfigureDeviceAsync(
	device: string,
	mode: 'devdax' | 'system-ram',
	options?: ReconfigureDeviceOptions,
): Promise<DeviceReconfiguration> {
	requireOneOf('mode', mode, ['devdax', 'system-ram']);
	const { persist: isToStay, ...settings } = checkDeviceOptions(options, {
		online: true,
		movable: true,
		force: false,
		persist: undefined as boolean | undefined,
	});
	const tree = machine;
	const found = requireDevice(tree, device);
	if (found.mode !== mode || (mode === 'system-ram' && settings.online)) {
		requirePrivilege(tree, found.name, filesOf(['device_dax', 'kmem']));
	}
	if (isToStay !== undefined) requirePersistable(tree, found, isToStay);
	const writer = new Writer();
	try {
		const isMoved = await reconfigure(tree, writer, found, mode, settings);
		const isKept = isToStay !== undefined && keep(tree, found, isToStay ? { mode, ...settings } : undefined);
		return {
			changed: isMoved || isKept,
			before: found.mode,
			device: isMoved ? requireDevice(tree, found.name) : found,
			boot: modeAfterReboot(found.name),
		};
	} finally {
		await writer.close();
	}
}
