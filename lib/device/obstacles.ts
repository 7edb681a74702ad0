// What stands in the way of moving a device from one mode to the other. All of it is looked at before anything is
// changed.

import { type DaxkindRefusal, refusal } from '../errors.ts';
import { quoted } from '../format.ts';
import type { Tree } from '../tree.ts';
import { type DaxDevice, rangesOf } from './device.ts';
import { holdersIn, mountsOf } from './holders.ts';
import { blockSizeOf, type MemoryBlock, memoryDirectory, wholeBlocks } from './memory.ts';

/** How memory is to come online. */
export interface Onlining {
	online: boolean;
	movable: boolean;
	force: boolean;
}

const few = (names: readonly string[]): string =>
	names.length <= 4 ? names.join(', ') : `${names.slice(0, 3).join(', ')} and ${names.length - 3} more`;

/**
 * Refuses a device that somebody maps, or that has a file system mounted. Unbinding its driver would kill those
 * processes by SIGBUS.
 */
export function useOf(tree: Tree, device: DaxDevice): DaxkindRefusal | undefined {
	const { name } = device;
	const mounts = mountsOf(tree, device);
	if (mounts.length > 0) {
		const what = `${name} is mounted on ${few(mounts)}`;
		return refusal('ERR_DAXKIND_DEVICE_IN_USE', name, what, `umount ${quoted(mounts[0]!)}`);
	}
	const holders = holdersIn(tree, device);
	if (holders.length === 0) return undefined;
	const who = few(holders.map(({ pid, command }) => `${command} (process ${pid})`));
	const what = `${name} is mapped by ${who}, and SIGBUS would kill ${holders.length === 1 ? 'it' : 'them'} at the next access`;
	return refusal(
		'ERR_DAXKIND_DEVICE_IN_USE',
		name,
		what,
		`end ${holders.length === 1 ? 'that process' : 'those processes'} first: kill ${holders.map(({ pid }) => pid).join(' ')}`,
	);
}

/** Refuses a device of the model that has no drivers. */
export function modelObstacle({ name, model }: DaxDevice): DaxkindRefusal | undefined {
	if (model !== 'class') return undefined;
	const what = `${name} is in the class /sys/class/dax, and devices of this class can only be mapped`;
	return refusal('ERR_DAXKIND_CLASS_DEVICE', name, what, 'daxkind migrate-device-model, and reboot');
}

/** Refuses a device that has no memory. A region's first device is left like that when it is destroyed. */
export function emptyObstacle({ name, size, region }: DaxDevice): DaxkindRefusal | undefined {
	if (size !== 0) return undefined;
	const remedy = `daxkind create-device ${region}, which gives it the free memory of its region`;
	return refusal('ERR_DAXKIND_DEVICE_EMPTY', name, `${name} has no memory`, remedy);
}

/** Where the kernel's policy for added memory is read and set. */
export const policyPath = `${memoryDirectory}/auto_online_blocks`;

/**
 * What the kernel does with memory that is added: offline, online, online_kernel or online_movable. Undefined where it
 * does not say.
 */
export const policyOf = (tree: Tree): string | undefined => tree.read(policyPath).value || undefined;

/** Whether the kernel would bring added memory online in another way than the caller wants. */
export function policyConflicts(policy: string | undefined, { online, movable }: Omit<Onlining, 'force'>): boolean {
	if (policy === undefined || policy === 'offline') return false;
	if (!online) return true;
	return movable ? policy !== 'online_movable' : policy === 'online_movable';
}

/** What stands in the way of making a device system RAM. */
export function toSystemRam(tree: Tree, device: DaxDevice, wanted: Onlining): DaxkindRefusal | undefined {
	const { name, targetNode, size } = device;
	if (targetNode === undefined) {
		const what = `${name} has no target node, so the kernel does not know which NUMA node its memory would be`;
		return refusal(
			'ERR_DAXKIND_NO_TARGET_NODE',
			name,
			what,
			'use firmware that describes the memory (in its NFIT or SRAT), or a newer kernel',
		);
	}
	const blockSize = blockSizeOf(tree);
	if (blockSize === undefined) {
		const what = 'This kernel cannot add memory while it runs: it has no /sys/devices/system/memory';
		return refusal('ERR_DAXKIND_NO_HOTPLUG', name, what, 'boot a kernel with CONFIG_MEMORY_HOTPLUG');
	}
	const ranges = rangesOf(device);
	const blocks = ranges.reduce((all, range) => all + wholeBlocks(range, blockSize), 0);
	if (ranges.length > 0 && blocks === 0) {
		const what = `The ${size} bytes of ${name} contain no whole memory block of ${blockSize} bytes`;
		return refusal('ERR_DAXKIND_DEVICE_TOO_SMALL', name, what, 'make a larger device, or keep this one in devdax mode');
	}
	const policy = policyOf(tree);
	if (!wanted.force && policyConflicts(policy, wanted)) {
		const instead = wanted.online ? (wanted.movable ? 'in zone Movable' : 'in zone Normal') : 'offline';
		const what = `The kernel would bring the memory of ${name} online by itself (${policyPath} is ${policy}), but you want it ${instead}`;
		const remedy = `use force, which switches that off during the move; or: echo offline > ${policyPath}`;
		return refusal('ERR_DAXKIND_AUTO_ONLINE', name, what, remedy);
	}
	return undefined;
}

/** Refuses blocks of which the kernel says that they cannot be taken offline. */
export function fixedMemory({ name }: DaxDevice, blocks: readonly MemoryBlock[]): DaxkindRefusal | undefined {
	const fixed = blocks.filter(({ state, removable }) => state !== 'offline' && removable === false);
	if (fixed.length === 0) return undefined;
	const what = `The kernel says that ${few(fixed.map((block) => block.name))} of ${name} cannot be taken offline. Something there cannot be moved, or the kernel has no CONFIG_MEMORY_HOTREMOVE`;
	return refusal(
		'ERR_DAXKIND_MEMORY_BUSY',
		name,
		what,
		'boot a kernel with CONFIG_MEMORY_HOTREMOVE, and bring the memory online in zone Movable',
	);
}

/** What stands in the way of moving a device from system-ram mode to devdax. */
export function toDevdax(device: DaxDevice, { force }: { force: boolean }): DaxkindRefusal | undefined {
	const { name, memory } = device;
	if (memory === undefined) {
		const what = `This process cannot see which memory blocks ${name} has`;
		return refusal(
			'ERR_DAXKIND_NO_HOTPLUG',
			name,
			what,
			'run as root, because only root can read the addresses of its memory',
		);
	}
	const fixed = fixedMemory(device, memory.blocks);
	if (fixed !== undefined) return fixed;
	if (memory.online > 0 && !force) {
		const what = `${memory.online} of ${memory.total} memory blocks of ${name} are online`;
		return refusal(
			'ERR_DAXKIND_MEMORY_ONLINE',
			name,
			what,
			`daxkind offline-memory ${name}; or use force, which does that first`,
		);
	}
	return undefined;
}

/** Refuses memory that is online in another zone than Movable, because it may never come offline again. */
export function requireMovable({ name, memory }: DaxDevice): void {
	if (memory === undefined || memory.online === 0 || memory.movable !== false) return;
	const what = `The memory of ${name} is online in zone ${memory.zone === 'mixed' ? 'Normal and Movable' : memory.zone}. It may never go offline again, because the kernel may put data there that it cannot move`;
	const remedy = `set auto_online_blocks to offline, then: daxkind offline-memory ${name} && daxkind online-memory ${name}`;
	throw refusal('ERR_DAXKIND_WRONG_ZONE', name, what, remedy);
}
