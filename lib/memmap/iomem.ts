// /proc/iomem: what all physical addresses are for. Memory is on the outermost level; the kernel and the crash kernel
// are inside it. Pure: lines go in.

import type { AddressRange } from '../byte-ranges.ts';
import { addressLimit, parseAddress } from './addresses.ts';
import { typeNamed } from './range-type.ts';
import type { MemoryRange } from './table.ts';

/** What /proc/iomem says of memory. */
export interface Iomem {
	ranges: MemoryRange[];
	crashKernel: AddressRange[];
	/** The running kernel, from its code to its bss. Undefined where it is not listed. */
	kernel: AddressRange | undefined;
	/** Whether all addresses are 0. The kernel shows only that to everyone but root. */
	isHidden: boolean;
	/** Whether there are names that only machines without an e820 table have: those of a device tree, or of ARM. */
	isForeign: boolean;
}

interface Line extends AddressRange {
	depth: number;
	name: string;
}

/** A row, also as mail and Markdown quote it. */
const row = /^(?:[>#|] ?)*(\s*)([\da-f]{8,16})-([\da-f]{8,16}) : (.*)$/i;

function parseLine(line: string): Line | undefined {
	const [, indent = '', start, last, name = ''] = row.exec(line) ?? [];
	if (start === undefined) return undefined;
	const end = Math.min(parseAddress(last!) + 1, addressLimit);
	return { depth: indent.length, start: parseAddress(start), end, name: name.trim() };
}

/** `pl011@9000000`, `fe201000.serial`, `ARMH0011:00`. */
const foreignName = /@[\da-f]+\b|^[\da-f]+\.[a-z]|^ARMH/;

/** Reads /proc/iomem. Undefined where no line belongs to it. */
export function parseIomem(lines: readonly string[]): Iomem | undefined {
	const found = lines.flatMap((line) => parseLine(line) ?? []);
	if (found.length === 0) return undefined;
	const outermost = Math.min(...found.map(({ depth }) => depth));
	const inside = (pattern: RegExp) => found.filter(({ depth, name }) => depth > outermost && pattern.test(name));
	const kernel = inside(/^Kernel (?:code|rodata|data|bss)$/);
	return {
		ranges: found.flatMap(({ depth, start, end, name }) => {
			const type = depth === outermost ? typeNamed(name) : undefined;
			return type === undefined ? [] : [{ start, end, type }];
		}),
		crashKernel: inside(/^Crash kernel$/).map(({ start, end }) => ({ start, end })),
		kernel:
			kernel.length === 0
				? undefined
				: {
						start: Math.min(...kernel.map(({ start }) => start)),
						end: Math.max(...kernel.map(({ end }) => end)),
					},
		isHidden: found.every(({ start, end }) => start === 0 && end === 1),
		isForeign: found.some(({ name }) => foreignName.test(name)),
	};
}
