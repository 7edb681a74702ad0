// Takes the memory blocks of a device in system-ram mode on- and offline.
import { refusal } from '../errors.ts';
import { machine } from '../tree.ts';
import { bringOnline, stateFile, takeOffline } from './blocks.ts';
import type { DaxDevice } from './device.ts';
import { requireDevice } from './find.ts';
import type { DeviceMemory } from './memory.ts';
import { fixedMemory, requireMovable } from './obstacles.ts';
import { checkDeviceOptions, type DeviceOperationOptions } from './options.ts';
import { requirePrivilege } from './privilege.ts';
import { Writer } from './writer.ts';

export interface OnlineMemoryOptions extends DeviceOperationOptions {
	/**
	 * Bring it online in zone Movable. It can be taken offline again from there, because the kernel keeps nothing of its
	 * own in that zone. Default true.
	 */
	movable?: boolean;
}

/** What an operation did to the memory of a device. */
export interface DeviceMemoryChange {
	/** How many blocks were brought on- or offline. 0 if all were so already. */
	changed: number;
	/** The device, as it is now. */
	device: DaxDevice;
}

/** The memory of a device that is system RAM. */
function memoryOf({ name, mode, memory, reasons }: DaxDevice): DeviceMemory {
	if (mode !== 'system-ram') {
		const what = `${name} is in ${mode} mode and so has no memory blocks`;
		throw refusal('ERR_DAXKIND_WRONG_MODE', name, what, `daxkind reconfigure-device --mode=system-ram ${name}`);
	}
	if (memory === undefined) {
		throw refusal(
			'ERR_DAXKIND_NO_HOTPLUG',
			name,
			`This process cannot see which memory blocks ${name} has: ${reasons.memory}`,
			'run as root',
		);
	}
	return memory;
}

/**
 * Brings the memory of a device in system-ram mode online (/sys/devices/system/memory/memoryN/state), block by block. A
 * process of its own writes, so the event loop does not wait.
 *
 * @param device dax0.0, or its node.
 * @throws Error with `code`, `path` and `remedy`: ERR_DAXKIND_NO_DEVICE, ERR_DAXKIND_WRONG_MODE,
 * ERR_DAXKIND_NO_HOTPLUG, ERR_DAXKIND_WRONG_ZONE if memory that is to be movable is online in another zone,
 * ERR_DAXKIND_MEMORY_FAILED. A system error of write; EACCES (open) if you are not root. The signal's reason; blocks
 * that are online by then stay online.
 */
export async function onlineMemoryAsync(device: string, options?: OnlineMemoryOptions): Promise<DeviceMemoryChange> {
	const { movable, ...given } = checkDeviceOptions(options, { movable: true });
	const tree = machine;
	const found = requireDevice(tree, device);
	const { blocks } = memoryOf(found);
	requirePrivilege(tree, found.name, blocks.slice(0, 1).map(stateFile));
	// This is checked before anything is changed, and again afterwards, because somebody else may have brought a block
	// online meanwhile.
	if (movable) requireMovable(found);
	const writer = new Writer();
	try {
		const changed = await bringOnline(tree, writer, found, blocks, movable, given);
		const now = requireDevice(tree, found.name);
		if (movable) requireMovable(now);
		return { changed, device: now };
	} finally {
		await writer.close();
	}
}

/**
 * Takes the memory of a device in system-ram mode offline, block by block. The kernel moves what is in it elsewhere,
 * and processes go on. That can take long: see `blockLimitMs`. A process of its own writes, so the event loop does not
 * wait. If a block cannot be taken offline, or on an abort, all blocks that were online come online again.
 *
 * @param device dax0.0, or its node.
 * @throws Error with `code`, `path` and `remedy`: ERR_DAXKIND_NO_DEVICE, ERR_DAXKIND_WRONG_MODE,
 * ERR_DAXKIND_NO_HOTPLUG, ERR_DAXKIND_MEMORY_BUSY. EACCES (open) if you are not root; the signal's reason.
 */
export async function offlineMemoryAsync(
	device: string,
	options?: DeviceOperationOptions,
): Promise<DeviceMemoryChange> {
	const given = checkDeviceOptions(options, {});
	const tree = machine;
	const found = requireDevice(tree, device);
	const { blocks } = memoryOf(found);
	requirePrivilege(tree, found.name, blocks.slice(0, 1).map(stateFile));
	const fixed = fixedMemory(found, blocks);
	if (fixed !== undefined) throw fixed;
	const writer = new Writer();
	try {
		const changed = await takeOffline(tree, writer, found, blocks, given);
		return { changed, device: requireDevice(tree, found.name) };
	} finally {
		await writer.close();
	}
}
