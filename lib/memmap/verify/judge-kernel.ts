// The links that the kernel decides: what it was told, whether the range is memory, what it made of the range, and
// whether it has the drivers.

import { intersect, joined, overlap, sizeOf, totalSize } from '../../byte-ranges.ts';
import { quoted } from '../../format.ts';
import { accountOf } from '../account.ts';
import { type BootArguments, type MemmapEntry, parseBootArguments } from '../boot-arguments.ts';
import { addresses, outsideMemory } from '../outside.ts';
import { firmwareMap } from '../read.ts';
import { needsNoKaslr } from '../warnings.ts';
import { formatSpan } from '../words.ts';
import { type Expected, type Judgement, judged, nameOf } from './check.ts';
import { drivers, type Facts } from './facts.ts';

const commandLine = '/proc/cmdline';
const iomem = '/proc/iomem';

const isSame = (one: Expected, other: Expected) => one.start === other.start && one.end === other.end;

/** The entries of the running kernel that make persistent memory. */
export const persistentEntries = (boot: BootArguments | undefined): MemmapEntry[] =>
	boot?.memmap.filter(({ kind }) => kind === '!') ?? [];

/** The entries that make persistent memory, in words that a kernel is given. */
export const persistentIn = (words: readonly string[]): MemmapEntry[] =>
	persistentEntries(parseBootArguments(words.join(' ')));

/** What to do so that the next boot has an entry. */
function bootRemedy({ pending }: Facts, expected: Expected): string {
	const isConfigured = pending.configured.some(({ words }) =>
		persistentIn(words).some((entry) => isSame(entry, expected)),
	);
	return isConfigured ? pending.next.join('; then ') : `daxkind memmap apply ${quoted(`memmap=${nameOf(expected)}`)}`;
}

/** Judges whether the kernel was told. */
export function commandLineLink(expected: Expected, facts: Facts): Judgement {
	const { boot, pending } = facts;
	const name = nameOf(expected);
	if (boot === undefined) {
		return judged('unknown', "the kernel's command line cannot be read", [
			{ value: 'unreadable', source: commandLine },
		]);
	}
	const entry = persistentEntries(boot).find((one) => isSame(one, expected));
	if (entry !== undefined) {
		const evidence = [{ value: `memmap=${entry.text}`, source: commandLine }];
		return judged('ok', `memmap=${name} is on the kernel's command line`, evidence);
	}
	const written = boot.memmap.map(({ text }) => `memmap=${text}`).join(' ');
	const evidence = [
		{ value: written === '' ? 'no memmap=' : written, source: commandLine },
		...pending.configured.map(({ path, words }) => ({ value: words.join(' '), source: path })),
	];
	const rest = boot.memmap.find(({ kind, start }) => kind === 'limit' && start === sizeOf(expected));
	const finding =
		rest === undefined
			? `memmap=${name} is not on the kernel's command line`
			: `only memmap=${rest.text} of memmap=${name} reached the kernel, and it limits the memory: a shell or the boot loader removed the rest`;
	return judged('broken', finding, evidence, bootRemedy(facts, expected));
}

/** Judges whether there is memory in the range that nothing else uses. */
export function memoryLink(expected: Expected, { table, boot }: Facts): Judgement {
	const name = nameOf(expected);
	const remedy = `take memmap=${name} off the command line, and let daxkind memmap plan find a range`;
	const other = boot?.memmap.find((entry) => sizeOf(entry) > 0 && !isSame(entry, expected) && overlap(entry, expected));
	if (other !== undefined) {
		const finding = `${name} overlaps memmap=${other.text}, and the kernel makes regions of the parts`;
		return judged('broken', finding, [{ value: `memmap=${other.text}`, source: commandLine }], remedy);
	}
	if (table === undefined) {
		const finding = `it is not known whether ${name} is memory, because the kernel does not show the firmware's table`;
		return judged('unknown', finding, [{ value: 'not there', source: firmwareMap }]);
	}
	const usable = table.ranges.filter(({ type }) => type === 'usable');
	const rows = usable.filter((range) => overlap(range, expected));
	const evidence = rows.map((row) => ({ value: `${addresses(row)} usable`, source: firmwareMap }));
	const outside = outsideMemory(expected, table);
	if (outside !== undefined) {
		const seen = evidence.length > 0 ? evidence : [{ value: 'no usable range there', source: firmwareMap }];
		return judged('broken', `${name} must not be used: ${outside}`, seen, remedy);
	}
	const where = rows.length === 1 ? 'in one usable range' : `in ${rows.length} usable ranges`;
	return judged('ok', `${name} is memory, ${where} of the firmware's table`, evidence);
}

/** Judges what the kernel made of the range. */
export function rangeLink(expected: Expected, { persistent, kernel }: Facts): Judgement {
	const name = nameOf(expected);
	if (persistent === undefined) {
		const finding = `only root can see what the kernel made of ${name}`;
		return judged('unknown', finding, [{ value: 'addresses are hidden', source: iomem }], 'run as root');
	}
	const parts = intersect(persistent, [expected]);
	const evidence = parts.map((part) => ({ value: `${addresses(part)} Persistent Memory (legacy)`, source: iomem }));
	const whole = joined(parts);
	if (whole.length === 1 && isSame(whole[0]!, expected)) {
		return judged('ok', `the kernel made ${name} persistent memory, type 12`, evidence);
	}
	if (kernel !== undefined && overlap(kernel, expected)) {
		const finding = `KASLR put the running kernel into ${name}, so only parts of that range are left`;
		const fix = `daxkind memmap apply ${quoted(`memmap=${name} nokaslr`)}`;
		return judged('broken', finding, [...evidence, { value: `kernel at ${addresses(kernel)}`, source: iomem }], fix);
	}
	const finding =
		parts.length === 0
			? `the kernel did not make ${name} persistent memory`
			: `the kernel made only ${formatSpan(totalSize(parts))} of ${name} persistent memory`;
	const seen = evidence.length > 0 ? evidence : [{ value: 'no Persistent Memory (legacy) there', source: iomem }];
	const remedy = 'see what the kernel said about it during boot: dmesg | grep -e e820 -e memmap';
	return judged('broken', finding, seen, remedy);
}

/** Judges whether the kernel will stay out of the ranges at the next boot, too. */
export function kaslrLink(expected: readonly Expected[], { boot, table }: Facts): Judgement {
	const entries = boot?.memmap.length ?? 0;
	if (boot?.noKaslr === true) {
		const finding = 'nokaslr keeps the kernel at its usual place, outside the ranges';
		return judged('ok', finding, [{ value: 'nokaslr', source: commandLine }]);
	}
	const evidence = [
		{ value: `${entries} memmap= entr${entries === 1 ? 'y' : 'ies'}, no nokaslr`, source: commandLine },
	];
	const needs =
		table !== undefined &&
		needsNoKaslr({ ...table, memmap: boot?.memmap ?? [] }, accountOf(table, { keepFree: undefined }), []);
	if (!needs)
		return judged(
			'ok',
			'KASLR keeps the kernel out of the ranges, because they are few and there is room elsewhere',
			evidence,
		);
	const fix = `daxkind memmap apply ${quoted(`${expected.map((one) => `memmap=${nameOf(one)}`).join(' ')} nokaslr`)}`;
	return judged('warning', 'without nokaslr the next boot may put the kernel into one of the ranges', evidence, fix);
}

/** Judges whether the kernel has the drivers that make disks of such memory. */
export function driverLink(_: unknown, { missing, regions }: Facts): Judgement {
	const [first] = missing;
	if (first === undefined) {
		const evidence = Object.values(drivers).map((source) => ({ value: 'there', source }));
		return judged('ok', `the kernel has the drivers ${Object.keys(drivers).join(' and ')}`, evidence);
	}
	const { name, isModule } = first;
	const evidence = missing.map((one) => ({ value: 'not there', source: drivers[one.name] }));
	// A container may hide the drivers.
	if (isModule === undefined && regions.some(({ enabled }) => enabled)) {
		return judged('unknown', `it is not known whether the kernel has the driver ${name}`, evidence);
	}
	const option = name === 'nd_e820' ? 'CONFIG_X86_PMEM_LEGACY' : 'CONFIG_BLK_DEV_PMEM';
	if (isModule === false) {
		const finding = `the running kernel was built without ${name}, which makes ${name === 'nd_e820' ? 'regions' : 'disks'} of such memory`;
		const seen = [...evidence, { value: `no ${name}`, source: 'modules.dep of the running kernel' }];
		return judged('broken', finding, seen, `boot a kernel with ${option}`);
	}
	const finding = `the kernel's driver ${name} is not loaded`;
	return judged('broken', finding, evidence, `modprobe ${name}`);
}
