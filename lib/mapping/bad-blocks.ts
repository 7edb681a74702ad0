// A mapping that is refused, because it is on bad blocks that the kernel knows of.
import { lengthOf } from '../byte-ranges.ts';
import { refusal } from '../errors.ts';
import type { NativeMapping } from '../native/mappings.ts';
import { native } from '../native.ts';

/** Calls what may refuse a mapping that nobody has seen yet. If it throws, the mapping is unmapped. */
export function checkMapped({ id, arrayBuffer }: NativeMapping, check: () => void): void {
	try {
		check();
	} catch (error) {
		native.releaseMapping(id);
		native.detachArrayBuffer(arrayBuffer);
		throw error;
	}
}

/**
 * Throws ERR_DAXKIND_BAD_BLOCKS, with `badBlocks` in bytes of the file or device, if a part of the mapping is bad.
 *
 * @param offset Where the mapping begins there.
 */
export function refuseBadBlocks(name: string, offset: number, { knownBad }: NativeMapping, remedy?: string): void {
	if (knownBad.length === 0) return;
	const badBlocks = knownBad.map((part) => ({ offset: offset + part.offset, length: part.length }));
	const where = `${knownBad.length === 1 ? '' : `in ${knownBad.length} places, the first `}from byte ${badBlocks[0]!.offset} on`;
	const finding = `${lengthOf(knownBad)} bytes of ${name} are on bad blocks of its device, ${where}`;
	throw Object.assign(refusal('ERR_DAXKIND_BAD_BLOCKS', name, finding, remedy), { badBlocks });
}
