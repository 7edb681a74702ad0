// Taking the memory blocks of a device that is system RAM on- and offline.
import { refusal } from '../errors.ts';
import { treeAt } from '../tree.ts';
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
	 * Bring it online in zone Movable, from which it can be taken offline again, because the kernel keeps nothing of its own there. Default
	 * true.
	 */
	movable?: boolean;
}

/** What became of the memory of a device. */
export interface DeviceMemoryChange {
	/** How many blocks were brought on- or offline; 0 if all were so already. */
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
			`Which memory blocks ${name} has cannot be seen: ${reasons.memory}`,
			'run as root',
		);
	}
	return memory;
}

/**
 * Brings the memory of a device online that is in system-ram mode (/sys/devices/system/memory/memoryN/state). A process of its own writes,
 * so that the event loop does not wait.
 *
 * @param device dax0.0, or its node.
 * @throws Error with `code`, `path` and `remedy`: ERR_DAXKIND_NO_DEVICE, ERR_DAXKIND_WRONG_MODE, ERR_DAXKIND_NO_HOTPLUG,
 *   ERR_DAXKIND_WRONG_ZONE if memory that is to be movable is online in another zone, ERR_DAXKIND_MEMORY_FAILED. A system error of write; EACCES (open) for
 *   another user than root. The signal's reason; blocks that are online by then stay so.
 */
export async function onlineMemoryAsync(device: string, options?: OnlineMemoryOptions): Promise<DeviceMemoryChange> {
	const { movable, ...given } = checkDeviceOptions(options, { movable: true });
	const tree = treeAt();
	const found = requireDevice(tree, device);
	const { blocks } = memoryOf(found);
	requirePrivilege(tree, found.name, blocks.slice(0, 1).map(stateFile));
	// Before anything is changed, and after: somebody else may have brought a block online meanwhile.
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
 * Takes the memory of a device offline that is in system-ram mode: the kernel moves what is in it elsewhere, and processes go on. If a
 * block cannot be taken offline, all are as they were before.
 *
 * @param device dax0.0, or its node.
 * @throws Error with `code`, `path` and `remedy`: ERR_DAXKIND_NO_DEVICE, ERR_DAXKIND_WRONG_MODE, ERR_DAXKIND_NO_HOTPLUG,
 *   ERR_DAXKIND_MEMORY_BUSY. EACCES (open) for another user than root; the signal's reason.
 */
export async function offlineMemoryAsync(
	device: string,
	options?: DeviceOperationOptions,
): Promise<DeviceMemoryChange> {
	const given = checkDeviceOptions(options, {});
	const tree = treeAt();
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
