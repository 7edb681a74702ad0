// What the addon does with mappings of files, and with ArrayBuffers over memory of its own.
import type { NativeJob } from './job.ts';
import type { LostPart } from './losses.ts';

/** An instruction that writes a cache line back to memory. */
export type FlushInstruction = 'clflush' | 'clflushopt' | 'clwb' | 'dc cvac' | 'dc cvap';

/** A new mapping. */
export interface NativeMapping {
	id: number;
	/** Over the first bytes of the mapping. */
	arrayBuffer: ArrayBuffer;
	/** The pages that are on bad blocks of the device, by the kernel's list, if the file is on DAX. */
	knownBad: LostPart[];
}

/**
 * Mappings as ArrayBuffers. No child process inherits them. A mapping that is long enough has the alignment that the
 * file has: to 2 MiB, and to 1 GiB from 2 GiB on.
 *
 * The addresses are unmapped when all ArrayBuffers over them and their memory are garbage, and never before, because
 * operations that are under way use them until then.
 */
export interface Mappings {
	/**
	 * mmap: MAP_SHARED, or with `sync` MAP_SHARED_VALIDATE|MAP_SYNC. If not `isShared` it is copy-on-write
	 * (MAP_PRIVATE), so that no store reaches the file. The file must be as long as the mapping. `shown` is how many
	 * bytes the ArrayBuffer has at most. `path` is for the errors only.
	 */
	mapDescriptor(
		fd: number,
		offset: number,
		length: number,
		isShared: boolean,
		sync: boolean,
		shown: number,
		path?: string,
	): NativeMapping;
	/**
	 * A part of a device-DAX device, in multiples of its alignment. No kind can have the same bytes as long as it is
	 * mapped (a shared lock, fcntl with F_OFD_SETLK).
	 */
	mapDaxDevice(path: string, offset: number, length: number, align: number, shown: number): NativeMapping;
	/** Private memory without a file: MAP_PRIVATE|MAP_ANONYMOUS. */
	mapAnonymous(length: number, shown: number): NativeMapping;
	/** An ArrayBuffer over a part of a mapping. No two ArrayBuffers may begin at the same byte. */
	mappingPart(id: number, offset: number, length: number): ArrayBuffer;
	/**
	 * Lets go of the file: puts empty private memory in its place, so that an operation that still uses the addresses
	 * reads zeros. The caller detaches the ArrayBuffers. False if that was done already.
	 */
	releaseMapping(id: number): boolean;
	/** The parts that are lost, in bytes from the mapping's start. */
	mappingErrors(id: number): LostPart[];
}

/** What the calls of {@link Persistence} do besides their stores: a sum. The numbers are those of binding/persist.cc. */
export const how = {
	/** Ordinary stores, and a flush of their lines. Of `mappingPersist`: a flush. */
	flushed: 1,
	/** Stores past the caches. They need no flush. */
	pastCaches: 2,
	/** Whichever of the two is faster for so many bytes. */
	either: 3,
	/** A fence after them: sfence, DSB. */
	drained: 4,
	/** msync(MS_SYNC) of their pages. */
	synced: 8,
} as const;

/** The places of the numbers in {@link Persistence.mappingRequest}. */
export const requested = { id: 0, offset: 1, length: 2, how: 3, from: 4 } as const;

/**
 * Stores into mappings, and makes stores persistent. The numbers of a call are in `mappingRequest`: the mapping's id, an
 * offset and a length in bytes, what to do (a sum of {@link how}), and `from`, which each call uses in its own way.
 *
 * Each throws ERR_OUT_OF_RANGE for a range that is not in the mapping, and ERR_INVALID_STATE if it is unmapped. EFAULT
 * of flush or msync: the guard has put zeros in place of a page of the range. These zeros are on no medium. EFAULT of
 * madvise: the file has been truncated and the last page is gone; a kernel before 5.14 does not tell that.
 */
export interface Persistence {
	/**
	 * The instructions that this processor has, the best one first. Empty on an architecture of which daxkind knows
	 * none.
	 */
	flushInstructions: readonly FlushInstruction[];
	/** From this length in bytes on, stores that are to be persistent are faster past the caches. */
	pastCachesFrom: number;
	/** The bytes of a Float64Array. To write numbers there is faster than to pass them. */
	mappingRequest: ArrayBuffer;
	mappingPersist(): void;
	/** memmove of the source's bytes to `offset`. The source may be a part of the mapping. */
	mappingWrite(source: Uint8Array): void;
	/** memset of the range by the byte `from`. */
	mappingFill(): void;
	/** memmove within the mapping, from `from` to `offset`. */
	mappingMove(): void;
	/**
	 * `from` writes with one fence. `places` has two numbers for each: the offset in the mapping, and how many of the
	 * next `bytes` go there.
	 */
	mappingWriteAll(bytes: Uint8Array, places: Float64Array): void;
	/** mappingPersist on another thread. ECANCELED also if the mapping is unmapped meanwhile. */
	mappingPersistAsync(): NativeJob<void>;
	/** Waits until the ranges that this thread has flushed are persistent. */
	drain(): void;
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
