// What a kernel command line says about memory. Pure: the text of the line goes in. The rules are the kernel's:
// parse_memmap_one() and parse_memopt() in arch/x86/kernel/e820.c, Documentation/admin-guide/kernel-parameters.txt.

import type { AddressRange } from '../byte-ranges.ts';
import { parseQuantity } from './addresses.ts';

/**
 * What an entry of `memmap=` does. `!` makes a range persistent memory, `$` reserves it, `#` makes it ACPI data, `%`
 * changes its type, `@` makes it usable. `limit` (a size without a place) drops RAM above it. `exactmap` drops the
 * firmware's table. `unreadable` does nothing.
 */
export type MemmapKind = '!' | '$' | '#' | '%' | '@' | 'limit' | 'exactmap' | 'unreadable';

/** One entry of `memmap=`. A list with commas has several entries. */
export interface MemmapEntry extends AddressRange {
	/** As the command line has it: `8G!8G`. */
	text: string;
	kind: MemmapKind;
}

/** What a command line says about memory. */
export interface BootArguments {
	/** The whole line. */
	commandLine: string;
	memmap: MemmapEntry[];
	/** The values of `mem=`, in bytes. */
	limits: { at: number; by: string }[];
	/** The values of `crashkernel=`, as the command line has them. */
	crashKernel: string[];
	/** How many bytes `hugepages=` reserves at boot. */
	hugePages: number;
	/** What `efi_fake_mem=` makes Soft Reserved. */
	fakeReserved: AddressRange[];
	noKaslr: boolean;
}

/** Huge pages have this size if neither hugepagesz= nor default_hugepagesz= says otherwise. */
const hugePageSize = 2 ** 21;

/** EFI_MEMORY_SP (include/linux/efi.h): the attribute of Soft Reserved memory. */
const specificPurpose = 0x40000;

const kinds: ReadonlySet<string> = new Set<MemmapKind>(['!', '$', '#', '%', '@']);

/** One entry of a `memmap=` list. */
export function parseMemmapEntry(text: string): MemmapEntry {
	if (text === 'exactmap') return { text, kind: 'exactmap', start: 0, end: 0 };
	const size = parseQuantity(text);
	if (size === undefined) return { text, kind: 'unreadable', start: 0, end: 0 };
	const kind = size.rest[0] ?? '';
	// The kernel takes the number for a limit, whatever else is behind it. So an entry becomes a limit when GRUB or a
	// shell has removed its $.
	if (!kinds.has(kind)) return { text, kind: 'limit', start: size.value, end: size.value };
	const start = parseQuantity(size.rest.slice(1))?.value ?? 0;
	return { text, kind: kind as MemmapKind, start, end: start + size.value };
}

/** The range of an entry of `crashkernel=` that names its place. `@0` leaves the place to the kernel. */
export function placedCrashKernel(value: string): AddressRange | undefined {
	const [, sizes = '', place = ''] = /^(.*)@(.+)$/.exec(value) ?? [];
	const start = parseQuantity(place)?.value ?? 0;
	const size = parseQuantity(sizes);
	return start === 0 || size === undefined || size.rest !== '' ? undefined : { start, end: start + size.value };
}

function fakeReserved(value: string): AddressRange[] {
	return value.split(',').flatMap((part) => {
		const [, size = '', start = '', attributes = ''] = /^(\w+)@(\w+):(\w+)$/.exec(part) ?? [];
		const [bytes, first, mask] = [size, start, attributes].map((text) => parseQuantity(text)?.value ?? 0);
		return (mask! & specificPurpose) === 0 || bytes === 0 ? [] : [{ start: first!, end: first! + bytes! }];
	});
}

/** How many huge pages a value asks for. It is one number, `8`, or one for each node, `0:4,1:4`. */
const pageCount = (value: string): number =>
	value.split(',').reduce((sum, part) => sum + (parseQuantity(part.replace(/^\d+:/, ''))?.value ?? 0), 0);

/** The arguments of a command line. Quotes hold spaces together, and the arguments behind `--` are for init. */
function argumentsOf(commandLine: string): string[] {
	const words = (commandLine.match(/(?:[^\s"]|"[^"]*"?)+/g) ?? []).map((word) => word.replaceAll('"', ''));
	const end = words.indexOf('--');
	return end === -1 ? words : words.slice(0, end);
}

/** Reads a kernel command line. */
export function parseBootArguments(commandLine: string): BootArguments {
	const result: BootArguments = {
		commandLine,
		memmap: [],
		limits: [],
		crashKernel: [],
		hugePages: 0,
		fakeReserved: [],
		noKaslr: false,
	};
	const words = argumentsOf(commandLine);
	const sizeIn = (word: string | undefined) => parseQuantity(word?.replace(/^\w+=/, '') ?? '')?.value;
	let pageSize = sizeIn(words.find((word) => word.startsWith('default_hugepagesz='))) ?? hugePageSize;
	for (const word of words) {
		const [, name = word, value = ''] = /^([^=]+)=(.*)$/s.exec(word) ?? [];
		if (name === 'memmap') result.memmap.push(...value.split(',').map(parseMemmapEntry));
		if (name === 'crashkernel' && value !== '') result.crashKernel.push(value);
		if (name === 'efi_fake_mem') result.fakeReserved.push(...fakeReserved(value));
		if (name === 'nokaslr') result.noKaslr = true;
		if (name === 'hugepagesz') pageSize = sizeIn(word) ?? pageSize;
		if (name === 'hugepages') result.hugePages += pageSize * pageCount(value);
		// mem=nopentium means something else.
		const at = name === 'mem' ? parseQuantity(value)?.value : undefined;
		if (at !== undefined) result.limits.push({ at, by: word });
	}
	return result;
}
