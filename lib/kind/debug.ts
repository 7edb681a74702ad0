// Debug mode: looks for mistakes with a kind's memory. A block lies between two red zones, which are checked when it is
// freed. Freed memory is filled with a pattern and kept out of use for a while. The ledger remembers where each block
// was allocated.
import { nextTick } from 'node:process';
import { daxkindError } from '../errors.ts';
import { native } from '../native.ts';
import type { LeakReport } from './kind-stats.ts';

/** The default of the option `debug` of kinds. */
export function isDebugging(): boolean {
	return !['', '0', undefined].includes(process.env.DAXKIND_DEBUG);
}

/** The length of the red zone behind a block, and the least length of the one before it, in bytes. */
export const leastRedZone = 16;

/** The patterns of red zones, of memory that was never written, and of freed memory. */
const zoneByte = 0xfd;
const freshByte = 0xcd;
export const freedByte = 0xdd;

/**
 * How much freed memory is kept out of use: this share of the kind, but no more than so many bytes and so many blocks.
 */
const quarantineShare = 1 / 16;
const mostQuarantined = 16 * 1024 * 1024;
const mostQuarantinedBlocks = 4096;

interface Allocation {
	stack: string;
	bytes: number;
	/** Whether nobody has freed the block. Only the heap knows when another thread has. */
	isHeld: () => boolean;
}

/** How many allocations are remembered before the ledger looks for those that other threads have freed. */
const leastSweep = 1024;

interface Freed {
	/** The block with its red zones. */
	memory: Uint8Array;
	bytes: number;
	stack: string;
	giveBack: () => void;
}

/** Memory that has one byte throughout is compared with these: a hundred times faster than a look at each byte. */
const plain = new Map([zoneByte, freedByte].map((byte) => [byte, Buffer.alloc(64 * 1024, byte)]));

/** The index of the first value that is not `byte`; -1 if all are. */
function firstOther(memory: Uint8Array, byte: number): number {
	const expected = plain.get(byte)!;
	for (let from = 0; from < memory.length; from += expected.length) {
		const part = memory.subarray(from, from + expected.length);
		if (Buffer.compare(part, expected.subarray(0, part.length)) === 0) continue;
		return from + part.findIndex((value) => value !== byte);
	}
	return -1;
}

/** The blocks of a kind in debug mode that one thread knows of. */
export class DebugLedger {
	#allocations = new Map<number, Allocation>();
	#sweepAt = leastSweep;
	#quarantine: Freed[] = [];
	#quarantined = 0;
	#limit: number;

	constructor(capacity: number) {
		this.#limit = Math.min(capacity * quarantineShare, mostQuarantined);
	}

	/**
	 * Prepares the memory of a new block.
	 *
	 * @param memory The block with its red zones.
	 * @param redZone Bytes of the first red zone.
	 * @param isHeld Whether the block has not been freed. It is asked later.
	 * @param stack Where the block was asked for.
	 */
	allocated(
		generation: number,
		memory: Uint8Array,
		redZone: number,
		length: number,
		bytes: number,
		isHeld: () => boolean,
		stack: string,
	): void {
		memory.fill(zoneByte, 0, redZone);
		memory.fill(freshByte, redZone, redZone + length);
		memory.fill(zoneByte, redZone + length);
		if (this.#allocations.size >= this.#sweepAt) this.#forgetFreed();
		this.#allocations.set(generation, { stack, bytes, isHeld });
	}

	/** Throws ERR_DAXKIND_OVERRUN if something was written beside the block. */
	checkZones(generation: number, memory: Uint8Array, redZone: number, length: number): void {
		const before = firstOther(memory.subarray(0, redZone), zoneByte);
		const behind = firstOther(memory.subarray(redZone + length), zoneByte);
		// Nothing can be said about lost memory, which reads as zeros.
		if ((before < 0 && behind < 0) || native.isLost(memory)) return;
		const where = before < 0 ? `${behind} bytes after its end` : `${redZone - before} bytes before its start`;
		const { stack } = this.#allocations.get(generation) ?? { stack: '    (another thread)' };
		throw daxkindError(
			'ERR_DAXKIND_OVERRUN',
			`Somebody wrote outside this block of ${length} bytes, ${where}. The block was allocated here:\n${stack}`,
		);
	}

	/** Puts a freed block in quarantine, and gives back the blocks that have been there for longest. */
	freed(generation: number, memory: Uint8Array, bytes: number, giveBack: () => void): void {
		const { stack } = this.#allocations.get(generation) ?? { stack: '    (another thread)' };
		this.#allocations.delete(generation);
		memory.fill(freedByte);
		this.#quarantine.push({ memory, bytes, stack, giveBack });
		this.#quarantined += bytes;
		while (this.#quarantined > this.#limit || this.#quarantine.length > mostQuarantinedBlocks) this.#release();
	}

	/** Gives everything in quarantine back. Returns whether there was anything. */
	drain(): boolean {
		const hadAny = this.#quarantine.length > 0;
		while (this.#quarantine.length > 0) this.#release();
		return hadAny;
	}

	/** Adds to a leak report where the blocks were allocated. */
	explain(report: LeakReport): LeakReport {
		this.#forgetFreed();
		const stacks = new Map<string, { stack: string; blocks: number; bytes: number }>();
		for (const { stack, bytes } of this.#allocations.values()) {
			const sum = stacks.get(stack) ?? { stack, blocks: 0, bytes: 0 };
			sum.blocks += 1;
			sum.bytes += bytes;
			stacks.set(stack, sum);
		}
		return { ...report, stacks: [...stacks.values()].sort((a, b) => b.bytes - a.bytes) };
	}

	#forgetFreed(): void {
		for (const [generation, { isHeld }] of this.#allocations) if (!isHeld()) this.#allocations.delete(generation);
		this.#sweepAt = Math.max(leastSweep, 2 * this.#allocations.size);
	}

	#release(): void {
		const { memory, bytes, stack, giveBack } = this.#quarantine.shift()!;
		this.#quarantined -= bytes;
		const at = firstOther(memory, freedByte);
		const isRight = at < 0 || native.isLost(memory);
		giveBack();
		if (isRight) return;
		const detail = `Byte ${at} of ${memory.length} was changed. The block was allocated here:\n${stack}`;
		// The warning comes later, so that a script that has replaced emitWarning does not run in the middle of a call.
		nextTick(() => {
			const code = 'DAXKIND_USE_AFTER_FREE';
			process.emitWarning('Somebody wrote into memory of a kind after the memory was freed', { code, detail });
		});
	}
}

/** Fills memory that is freed without a quarantine. */
export function fillFreed(memory: Uint8Array): void {
	memory.fill(freedByte);
}

/** Warns of the blocks that were not freed. Never throws, because the kind is closed and nothing is to be undone. */
export function warnOfLeaks(report: LeakReport, path: string): void {
	const detail = (report.stacks ?? []).map(
		({ stack, blocks, bytes }) => `${blocks} blocks, ${bytes} bytes together, allocated here:\n${stack}`,
	);
	const leaks = `${report.blocks} blocks (${report.bytes} bytes) of the kind on '${path}'`;
	try {
		process.emitWarning(`${leaks} were not freed before it was closed`, {
			code: 'DAXKIND_LEAK',
			detail: detail.join('\n'),
		});
	} catch (error) {
		nextTick(() => {
			throw error;
		});
	}
}
