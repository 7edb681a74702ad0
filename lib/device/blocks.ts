// Takes memory blocks on- and offline, one after another. Others may do so at the same time (udev rules of
// distributions do), so what counts is the state of a block at the moment.
import { refusal, type SystemError } from '../errors.ts';
import type { Tree } from '../tree.ts';
import type { DaxDevice } from './device.ts';
import type { Kernel } from './kernel.ts';
import { type MemoryBlock, memoryDirectory } from './memory.ts';
import type { CheckedOperationOptions } from './options.ts';

type State = 'online_movable' | 'online_kernel' | 'offline';

export const stateFile = ({ name }: MemoryBlock) => `${memoryDirectory}/${name}/state`;

const isOnline = (tree: Tree, block: MemoryBlock) => tree.read(stateFile(block)).value !== 'offline';

/** Whether the write failed, and was not ended by the caller's AbortSignal. */
const isOfWrite = (error: unknown): error is SystemError => (error as Partial<SystemError>)?.syscall === 'write';

/** Brings a block to a state. Returns whether this call did it, because somebody else may have been quicker. */
async function set(
	tree: Tree,
	kernel: Kernel,
	block: MemoryBlock,
	state: State,
	options?: Parameters<Kernel['write']>[2],
): Promise<boolean> {
	const isThere = () => isOnline(tree, block) === (state !== 'offline');
	if (isThere()) return false;
	try {
		await kernel.write(stateFile(block), state, options);
		return true;
	} catch (error) {
		if (isOfWrite(error) && error.code === 'EINVAL' && isThere()) return false;
		throw error;
	}
}

/**
 * Brings all blocks online that are offline. If one block does not come online, the blocks that came online before it
 * go offline again. After an abort they stay online.
 *
 * @returns How many were brought online.
 * @throws Error ERR_DAXKIND_MEMORY_FAILED.
 */
export async function bringOnline(
	tree: Tree,
	kernel: Kernel,
	{ name }: Pick<DaxDevice, 'name'>,
	blocks: readonly MemoryBlock[],
	movable: boolean,
	{ signal, onProgress, blockLimitMs }: CheckedOperationOptions,
): Promise<number> {
	const state = movable ? 'online_movable' : 'online_kernel';
	const offline = blocks.filter((block) => !isOnline(tree, block));
	const brought: MemoryBlock[] = [];
	for (const [done, block] of offline.entries()) {
		onProgress({ step: 'online', done, total: offline.length });
		try {
			if (await set(tree, kernel, block, state, { signal })) brought.push(block);
		} catch (error) {
			if (!isOfWrite(error)) throw error;
			const failed: string[] = [];
			for (const one of brought) {
				const back = set(tree, kernel, one, 'offline', { limitMs: blockLimitMs });
				await back.catch(() => failed.push(`echo offline > ${stateFile(one)}`));
			}
			const what = `${block.name} of ${name} does not come online: ${error.code}. The kernel's log has the reason (dmesg). ${asBefore(failed)}`;
			throw Object.assign(refusal('ERR_DAXKIND_MEMORY_FAILED', name, what, failed.join('; ') || undefined), {
				cause: error,
			});
		}
	}
	if (offline.length > 0) onProgress({ step: 'online', done: offline.length, total: offline.length });
	return brought.length;
}

const asBefore = (failed: readonly string[]) =>
	failed.length === 0
		? 'All blocks are as before'
		: `${failed.length === 1 ? 'One block is' : `${failed.length} blocks are`} not as before`;

/** What an error of the kernel means when a block is taken offline. */
function whyNot({ code }: SystemError, limitMs: number): string {
	switch (code) {
		case 'ETIMEDOUT':
			return `the kernel could not move its pages within ${limitMs / 1000} s. Usually a device or io_uring has pinned them`;
		case 'EBUSY':
			return 'it holds something that the kernel cannot move, as is usual in zone Normal';
		case 'ENOMEM':
			return 'no other memory has room for its content';
		default:
			return `the kernel refuses: ${code}`;
	}
}

/**
 * Takes all blocks offline that are online. If one block cannot be taken offline, or on an abort, all blocks that were
 * online come online again.
 *
 * @returns How many were taken offline.
 * @throws Error ERR_DAXKIND_MEMORY_BUSY; the signal's reason.
 */
export async function takeOffline(
	tree: Tree,
	kernel: Kernel,
	{ name }: Pick<DaxDevice, 'name'>,
	blocks: readonly MemoryBlock[],
	{ signal, onProgress, blockLimitMs }: CheckedOperationOptions,
): Promise<number> {
	const online = blocks.filter((block) => isOnline(tree, block));
	let changed = 0;
	for (const [done, block] of online.entries()) {
		try {
			onProgress({ step: 'offline', done, total: online.length });
			if (await set(tree, kernel, block, 'offline', { signal, limitMs: blockLimitMs })) changed++;
		} catch (error) {
			// The block of the failed write is restored, too: a write that was ended may have been done.
			const failed = await restore(tree, kernel, online);
			if (!isOfWrite(error)) {
				if (error instanceof Error && failed.length > 0) error.message += ` ${asBefore(failed)}: ${failed.join('; ')}`;
				throw error;
			}
			const what = `${block.name} of ${name} cannot be taken offline: ${whyNot(error, blockLimitMs)}. ${asBefore(failed)}`;
			const remedy = [...failed, 'end the programs that use that memory, and try again, or reboot'].join('; ');
			throw Object.assign(refusal('ERR_DAXKIND_MEMORY_BUSY', name, what, remedy), { cause: error });
		}
	}
	if (online.length > 0) onProgress({ step: 'offline', done: online.length, total: online.length });
	return changed;
}

/**
 * Brings blocks online again that were online, each in its former zone. Returns the commands for the blocks that do not
 * come online.
 */
export async function restore(tree: Tree, kernel: Kernel, blocks: readonly MemoryBlock[]): Promise<string[]> {
	const failed: string[] = [];
	for (const block of blocks) {
		const state = block.zone === 'Movable' ? 'online_movable' : 'online_kernel';
		await set(tree, kernel, block, state).catch(() => failed.push(`echo ${state} > ${stateFile(block)}`));
	}
	return failed;
}
