// Reads a memory table out of text: a kernel's log, /proc/iomem, or /sys/firmware/memmap as grep prints it. The text
// may be from any machine, and be copied in any way. Pure: text goes in.
import { invalidArgType, refusal } from '../errors.ts';
import { findCommandLine } from './command-line.ts';
import { composeTable, type Evidence } from './compose.ts';
import { parseFirmwareMap } from './firmware-map.ts';
import { type Iomem, parseIomem } from './iomem.ts';
import { lastBoot, readLog } from './log.ts';
import { logTables } from './log-tables.ts';
import type { MemoryTable } from './table.ts';

/** The codes that a terminal's colours leave in a text. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is what is looked for
const colours = /\u001b\[[\d;]*[A-Za-z]/g;

/** How the logs of kernels of other architectures are recognised. */
const architectures: readonly [RegExp, string][] = [
	[/\baarch64\b|\barm64\b/, 'an arm64'],
	[/\barmv\d|Booting Linux on physical CPU/i, 'an ARM'],
	[/\briscv\d*\b|SBI specification/i, 'a RISC-V'],
	[/\bppc64|\bpowerpc/i, 'a POWER'],
	[/\bs390x?\b/, 'an IBM Z'],
	[/\bloongarch\d*\b/i, 'a LoongArch'],
];

/** The error for an architecture that has no e820 table. */
export function otherArchitecture(name: string, whose: string): Error {
	const finding = `${name} has no e820 table, because it is from ${whose} machine; memmap=nn!ss, which makes persistent memory of RAM, works on x86 only`;
	const remedy = 'emulate persistent memory in a VM: daxkind vm';
	return refusal('ERR_DAXKIND_NOT_X86', name, finding, remedy);
}

/** The error for /proc/iomem as everyone but root sees it. */
export function hiddenAddresses(name: string): Error {
	const finding = `all addresses in ${name} are 0, because the kernel shows them to root only`;
	const remedy =
		'read it as root (sudo cat /proc/iomem), or give what `grep -r . /sys/firmware/memmap` prints, which needs no root';
	return refusal('ERR_DAXKIND_ADDRESSES_HIDDEN', name, finding, remedy);
}

function noTable(text: string, name: string): Error {
	const [, whose] = architectures.find(([pattern]) => pattern.test(text)) ?? [];
	if (whose !== undefined) return otherArchitecture(name, whose);
	const finding =
		text.trim() === '' ? `${name} is empty` : `${name} has no memory table (no BIOS-e820 rows, no /proc/iomem)`;
	const remedy =
		'give the beginning of a kernel’s log (sudo dmesg, or journalctl -k -b), or what `grep -r . /sys/firmware/memmap` prints';
	return refusal('ERR_DAXKIND_NO_TABLE', name, finding, remedy);
}

/** What lines say of a machine's memory. */
function evidenceIn(lines: readonly string[], iomem: Iomem | undefined): Evidence {
	const boot = lastBoot(lines);
	const log = readLog(boot);
	const tables = logTables(boot);
	const firmware = parseFirmwareMap(lines);
	if (firmware !== undefined) tables.set('sysfs', firmware);
	if (iomem !== undefined) tables.set('iomem', { ranges: iomem.ranges, omissions: [] });
	const commandLine = findCommandLine(boot, lines);
	return { tables, commandLine, log, iomem, nodes: log.nodes, hugePages: 0, xen: false };
}

/**
 * Reads a memory table out of text: the kernel's log in any of its wordings (dmesg, journalctl, syslog, pasted, quoted
 * or cut), /proc/iomem, or the output of `grep -r . /sys/firmware/memmap`. If a log has several boots, the last one
 * counts. It reads nothing but the text.
 *
 * @param text The text. It may have anything else in it, too.
 * @param name What to call the text in errors, for example the path that it was read from. Default: `the text`.
 * @throws ERR_DAXKIND_NO_TABLE if the text has no table; ERR_DAXKIND_NOT_X86 if it is from another architecture;
 * ERR_DAXKIND_ADDRESSES_HIDDEN for /proc/iomem that was not read as root; ERR_DAXKIND_TABLE_DISORDER if rows overlap or
 * are not in order. All have `path` (the name) and `remedy`. ERR_INVALID_ARG_TYPE if `text` is not a string.
 * @example
 * const table = parseMemoryTable(readFileSync('dmesg.txt', 'utf8'), 'dmesg.txt');
 * table.ranges[0]; // { start: 0, end: 654336, type: 'usable' }
 */
export function parseMemoryTable(text: string, name = 'the text'): MemoryTable {
	if (typeof text !== 'string') throw invalidArgType('text', 'of type string', text);
	if (typeof name !== 'string') throw invalidArgType('name', 'of type string', name);
	const lines = text.replaceAll(colours, '').split(/\r?\n|\r/);
	const iomem = parseIomem(lines);
	const evidence = evidenceIn(lines, iomem?.isHidden === true ? undefined : iomem);
	const table = composeTable(evidence, name);
	if (table?.source === 'iomem' && iomem?.isForeign === true) {
		throw otherArchitecture(name, 'a non-x86');
	}
	if (table !== undefined) return table;
	throw iomem?.isHidden === true ? hiddenAddresses(name) : noTable(text, name);
}
