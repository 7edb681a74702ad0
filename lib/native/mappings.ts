// What the addon does with mappings of files, and with ArrayBuffers over memory of its own.
import type { LostPart } from './losses.ts';

/** An instruction that writes a cache line back to memory. */
export type FlushInstruction = 'clflush' | 'clflushopt' | 'clwb' | 'dc cvac' | 'dc cvap';

/** Mappings of files as ArrayBuffers. */
export interface Mappings {
	/**
	 * mmap with MADV_DONTFORK: MAP_SHARED, or with `sync` MAP_SHARED_VALIDATE|MAP_SYNC. If not `writable` it is
	 * copy-on-write (MAP_PRIVATE), so that a store by a script can neither kill the process nor reach the file. A
	 * mapping that is long enough has the alignment to 2 MiB that the file has.
	 *
	 * The addresses are unmapped when the ArrayBuffer and its memory are garbage, and never before, because operations
	 * that are under way use them until then. The file must be as long as the mapping. `path` is for the error only.
	 * `knownBad` has the pages that are on bad blocks of the device, by the kernel's list, if the file is on DAX.
	 */
	mapDescriptor(
		fd: number,
		offset: number,
		length: number,
		writable: boolean,
		sync: boolean,
		path?: string,
	): { id: number; arrayBuffer: ArrayBuffer; knownBad: LostPart[] };
	/**
	 * Lets go of the file: puts empty private memory in its place, so that an operation that still uses the addresses
	 * reads zeros. The caller detaches the ArrayBuffer. False if that was done already.
	 */
	releaseMapping(id: number): boolean;
	/** The parts that are lost, in bytes from the mapping's start. */
	mappingErrors(id: number): LostPart[];
}

/** Brings stores out of the processor's caches. Ranges are checked against the view. */
export interface Persistence {
	/**
	 * The instructions that this processor has, the best one first. Empty on an architecture of which daxkind knows
	 * none.
	 */
	flushInstructions: readonly FlushInstruction[];
	/**
	 * Writes back the cache lines of a range by the best instruction, or by the named one, and does not wait. EFAULT if
	 * the guard has put zeros in place of a page of the range. These zeros are on no medium.
	 */
	flush(view: Uint8Array, offset: number, length: number, instruction?: FlushInstruction): void;
	/** Waits until the ranges that this thread has flushed are persistent: sfence, DSB. */
	drain(): void;
	/**
	 * msync(MS_SYNC) of the pages of a range. The view must be of a mapped file. EFAULT of msync if the guard has put
	 * zeros in place of a page. EFAULT of madvise if the file has been truncated and the last page is gone; a kernel
	 * before 5.14 does not tell that.
	 */
	syncPages(view: Uint8Array, offset: number, length: number, path?: string): void;
}

/** Detaches ArrayBuffers over memory of the addon, whatever scripts have done to them. */
export interface ArrayBuffers {
	/**
	 * napi_detach_arraybuffer: every view of it has length 0 from then on. It works also on one that
	 * markAsUntransferable has marked.
	 */
	detachArrayBuffer(buffer: ArrayBuffer): void;
	/**
	 * Whether it can detach marked ArrayBuffers in this runtime. If it cannot, the attempt ends the process, so none
	 * may be marked.
	 */
	detachesMarked: boolean;
}
