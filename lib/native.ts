// The native addon. Every export of it is declared and documented once, here and in native/. No other file loads it (see
// addon.ts).
// Importing this file never fails. If the addon cannot be loaded, its first use throws, and says why and what to do.
import { markAsUntransferable } from 'node:worker_threads';
import { loadAddon } from './addon.ts';
import { systemError } from './errors.ts';
import type { Caches } from './native/caches.ts';
import type { Kinds } from './native/kinds.ts';
import type { NativeLoss } from './native/losses.ts';
import type { ArrayBuffers, Mappings, Persistence } from './native/mappings.ts';
import type { BadBlockCalls } from './native/media.ts';
import type { Syscalls } from './native/syscalls.ts';

/** The addon's exports. */
export interface Native extends Syscalls, BadBlockCalls, Mappings, Persistence, Kinds, Caches, ArrayBuffers {
	/**
	 * Sets the function that is called with each loss of this thread's kinds and mappings, in turns of its event loop.
	 * The function must not throw.
	 */
	setLossHandler(handler: (loss: NativeLoss) => void): void;
	/**
	 * Installs the guard's SIGBUS handler again if somebody has set another one. The other handler still gets the
	 * faults that are not the guard's.
	 */
	armGuard(): void;
	/** Whether the guard has put zeros in place of a page of the view. */
	isLost(view: Uint8Array): boolean;
	/**
	 * Registers the function that makes the errors of failed system calls, and whether markAsUntransferable keeps
	 * everybody from detaching an ArrayBuffer. It is called here, once for each thread.
	 */
	init(options: { systemError: typeof systemError; areMarksKeys: boolean }): void;
}

/** Whether markAsUntransferable sets a key without which nobody can detach an ArrayBuffer, as it does since Node 24. */
function areMarksKeys(): boolean {
	const probe = new ArrayBuffer(0) as ArrayBuffer & { transfer?: () => ArrayBuffer };
	if (probe.transfer === undefined) return false;
	markAsUntransferable(probe);
	try {
		probe.transfer();
		return false;
	} catch {
		return true;
	}
}

/** The addon. If it could not be loaded, every use throws ERR_DAXKIND_NATIVE. */
export const native: Native = loadAddon((addon: Native) => addon.init({ systemError, areMarksKeys: areMarksKeys() }));
