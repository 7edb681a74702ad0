// What a range of memory is. The kernel has several words for each type: for its log, for sysfs and /proc/iomem, and in
// newer and older versions (e820_print_type and e820_type_to_string in arch/x86/kernel/e820.c). Only this file knows
// them.

/**
 * What the firmware says a range is. `persistent (type 12)`: memory that `memmap=nn!ss` has taken, or an old NVDIMM.
 * `persistent (type 7)`: an NVDIMM. `unknown`: the words could not be read, and so nothing may be placed there.
 */
export type MemoryRangeType =
	| 'usable'
	| 'reserved'
	| 'ACPI data'
	| 'ACPI NVS'
	| 'unusable'
	| 'soft reserved'
	| 'persistent (type 7)'
	| 'persistent (type 12)'
	| `type ${number}`
	| 'unknown';

const wordings: ReadonlyMap<string, MemoryRangeType> = new Map([
	['usable', 'usable'],
	['system ram', 'usable'],
	['kernel usable ram', 'usable'],
	['reserved', 'reserved'],
	['device reserved', 'reserved'],
	['acpi data', 'ACPI data'],
	['acpi tables', 'ACPI data'],
	['acpi nvs', 'ACPI NVS'],
	['acpi non-volatile storage', 'ACPI NVS'],
	['unusable', 'unusable'],
	['unusable memory', 'unusable'],
	['soft reserved', 'soft reserved'],
	['persistent memory', 'persistent (type 7)'],
	['persistent memory (legacy)', 'persistent (type 12)'],
	['unknown e820 type', 'unknown'],
]);

/** Types that the kernel prints as a number, some with their name before it. */
const numbered = String.raw`(?:persistent(?: ram)? \(type \d+\)|type \d+|unknown[- ]\d+)`;

function typeOf(words: string): MemoryRangeType | undefined {
	const normal = words.toLowerCase().replace(/\s+/g, ' ');
	const known = wordings.get(normal);
	if (known !== undefined || !new RegExp(`^${numbered}$`).test(normal)) return known;
	const number = Number(/\d+/.exec(normal)![0]);
	return number === 7 || number === 12 ? `persistent (type ${number})` : `type ${number}`;
}

/** The type that a text names, if nothing is before or behind the name. Undefined for any other text. */
export const typeNamed = (text: string): MemoryRangeType | undefined => typeOf(text.trim());

const alternatives = [
	numbered,
	...[...wordings.keys()]
		.sort((one, other) => other.length - one.length)
		.map((words) => words.replace(/[()]/g, String.raw`\$&`)),
].map((words) => words.replaceAll(' ', String.raw`\s+`));

/** Old kernels put a type in parentheses. Linux 7.0 had for a while the size of the range before it, as `1.9 GB`. */
const leading = new RegExp(String.raw`^\s*(?:\d+(?:\.\d+)?\s+[KMGT]B\s+)?\(?(${alternatives.join('|')})(?![\w-])`, 'i');

/**
 * The type with which a text begins, because people write notes behind it. Undefined if the text does not begin with a
 * type.
 */
export function leadingType(text: string): MemoryRangeType | undefined {
	const words = leading.exec(text)?.[1];
	return words === undefined ? undefined : typeOf(words);
}
