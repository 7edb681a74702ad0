// Taking the memory blocks of a device that is system RAM on- and offline.
import { refusal, type SystemError } from '../errors.ts';
import type { DaxDevice } from './device.ts';
import { requireDevice } from './find.ts';
import { type DeviceMemory, type MemoryBlock, memoryDirectory } from './memory.ts';
import { fixedMemory } from './obstacles.ts';
import { type CheckedDeviceOptions, checkDeviceOptions, type DeviceOptions } from './options.ts';
import { requirePrivilege } from './privilege.ts';
import { type Tree, treeAt } from './tree.ts';
import { Writer } from './writer.ts';

export interface OnlineMemoryOptions extends DeviceOptions {
	/**
	 * Bring it online in zone Movable, from which it can be taken offline again, because the kernel keeps nothing of its own there. Default
	 * true.
	 */
	movable?: boolean;
}

/** What became of the memory of a device. */
export interface MemoryChange {
	/** How many blocks were brought on- or offline; 0 if all were so already. */
	changed: number;
	/** The device, as it is now. */
	device: DaxDevice;
}

const stateFile = ({ name }: MemoryBlock) => `${memoryDirectory}/${name}/state`;

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

/** The blocks' states as they are at this moment. */
const fresh = (tree: Tree, blocks: readonly MemoryBlock[]): { block: MemoryBlock; isOnline: boolean }[] =>
	blocks.map((block) => ({ block, isOnline: tree.read(stateFile(block)).value !== 'offline' }));

/** Brings all blocks online that are not. How many that were. */
export async function bringOnline(
	tree: Tree,
	writer: Writer,
	blocks: readonly MemoryBlock[],
	movable: boolean,
	{ signal, onProgress }: Pick<CheckedDeviceOptions, 'signal' | 'onProgress'>,
): Promise<number> {
	const offline = fresh(tree, blocks).filter(({ isOnline }) => !isOnline);
	const progress = (done: number) => onProgress({ step: 'online', done, total: offline.length });
	for (const [done, { block }] of offline.entries()) {
		progress(done);
		await writer.write(stateFile(block), movable ? 'online_movable' : 'online_kernel', { signal });
	}
	if (offline.length > 0) progress(offline.length);
	return offline.length;
}

/** What the kernel's errors of taking a block offline mean. */
function whyNot({ code }: SystemError, limitMs: number): string {
	switch (code) {
		case 'ETIMEDOUT':
			return `pages of it are pinned, by a device or io_uring as a rule: the kernel had not moved them within ${limitMs / 1000} s`;
		case 'EBUSY':
			return 'the kernel has something in it that cannot be moved, because it is in zone Normal';
		case 'ENOMEM':
			return 'there is no room elsewhere for what is in it';
		default:
			return `the kernel refuses: ${code}`;
	}
}

/**
 * Takes all blocks offline that are not. If one cannot be, those that have been come online again, as they were before.
 *
 * @returns How many were taken offline.
 */
export async function takeOffline(
	tree: Tree,
	writer: Writer,
	{ name }: Pick<DaxDevice, 'name'>,
	blocks: readonly MemoryBlock[],
	{ signal, onProgress, blockLimitMs }: CheckedDeviceOptions,
): Promise<number> {
	const online = fresh(tree, blocks).filter(({ isOnline }) => isOnline);
	const gone: MemoryBlock[] = [];
	try {
		for (const { block } of online) {
			onProgress({ step: 'offline', done: gone.length, total: online.length });
			try {
				await writer.write(stateFile(block), 'offline', { signal, limitMs: blockLimitMs });
			} catch (error) {
				if (signal?.aborted || (error as SystemError).syscall !== 'write') throw error;
				const remedy = `end what uses that memory, and try again, or reboot`;
				const what = `${block.name} of ${name} cannot be taken offline: ${whyNot(error as SystemError, blockLimitMs)}`;
				throw Object.assign(refusal('ERR_DAXKIND_MEMORY_BUSY', name, what, remedy), { cause: error });
			}
			gone.push(block);
		}
	} catch (error) {
		await restore(tree, writer, gone, error);
		throw error;
	}
	if (gone.length > 0) onProgress({ step: 'offline', done: gone.length, total: online.length });
	return gone.length;
}

/** Brings blocks online as they were; what fails is said beside the error that is the reason for it. */
async function restore(tree: Tree, writer: Writer, blocks: readonly MemoryBlock[], reason: unknown): Promise<void> {
	const failed: string[] = [];
	for (const { block, isOnline } of fresh(tree, blocks)) {
		if (isOnline) continue;
		const state = block.zone === 'Movable' ? 'online_movable' : 'online_kernel';
		await writer.write(stateFile(block), state).catch(() => failed.push(`echo ${state} > ${stateFile(block)}`));
	}
	if (failed.length > 0 && reason instanceof Error) {
		reason.message += ` Blocks that were online stay offline; this brings them back: ${failed.join('; ')}`;
	}
}

/** Refuses memory that has come online in another zone than Movable, from which it may not be to be had back. */
export function requireMovable({ name, memory }: DaxDevice): void {
	if (memory === undefined || memory.online === 0 || memory.movable !== false) return;
	const what = `The memory of ${name} is online, but in zone ${memory.zone === 'mixed' ? 'Normal and Movable' : memory.zone}, where the kernel may put what keeps it from going offline`;
	const remedy = `daxkind offline-memory ${name} && daxkind online-memory ${name}, with auto_online_blocks offline`;
	throw refusal('ERR_DAXKIND_WRONG_ZONE', name, what, remedy);
}

/**
 * Brings the memory of a device online that is in system-ram mode (/sys/devices/system/memory/memoryN/state). A process of its own writes,
 * so that the event loop does not wait.
 *
 * @param device dax0.0, or its node.
 * @throws Error with `code`, `path` and `remedy`: ERR_DAXKIND_NO_DEVICE, ERR_DAXKIND_WRONG_MODE, ERR_DAXKIND_NO_HOTPLUG,
 *   ERR_DAXKIND_WRONG_ZONE if memory that was to be movable is online in another zone. A system error of write; EACCES (open) for
 *   another user than root. The signal's reason; blocks that are online by then stay so.
 */
export async function onlineMemory(device: string, options?: OnlineMemoryOptions): Promise<MemoryChange> {
	const { movable, ...given } = checkDeviceOptions(options, { movable: true });
	const tree = treeAt();
	const found = requireDevice(tree, device);
	const { blocks } = memoryOf(found);
	requirePrivilege(tree, found.name, blocks.slice(0, 1).map(stateFile));
	const writer = new Writer();
	try {
		const changed = await bringOnline(tree, writer, blocks, movable, given);
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
export async function offlineMemory(device: string, options?: DeviceOptions): Promise<MemoryChange> {
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
