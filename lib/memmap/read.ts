// Reads this machine's memory table, or that of an image or of a file.
import { readFileSync } from 'node:fs';
import { requireOptions, requirePath } from '../arguments.ts';
import { joined } from '../byte-ranges.ts';
import { type DaxkindRefusal, invalidArgValue, refusal } from '../errors.ts';
import { KIB } from '../size.ts';
import { type Tree, treeOf } from '../tree.ts';
import { composeTable, type Evidence } from './compose.ts';
import { tableOfEntries } from './firmware-map.ts';
import { type Iomem, parseIomem } from './iomem.ts';
import type { PrintedTable } from './log-tables.ts';
import { hiddenAddresses, otherArchitecture, parseMemoryTable } from './parse.ts';
import type { MemoryTable, MemoryTableSource, NodeMemoryRange } from './table.ts';

export interface ReadMemoryTableOptions {
	/** A directory that holds the sys and proc of another machine. Default: those of this machine. */
	root?: string | URL;
	/** A file to read instead. Its text is read as parseMemoryTable() reads it. */
	from?: string | URL;
}

export const firmwareMap = '/sys/firmware/memmap';
const iomemPath = '/proc/iomem';

function readFirmwareMap(tree: Tree): PrintedTable | undefined {
	const entries = tree.list(firmwareMap).map((number) => {
		const read = (file: string) => tree.read(`${firmwareMap}/${number}/${file}`).value ?? '';
		return { start: read('start'), end: read('end'), type: read('type') };
	});
	return entries.length === 0 ? undefined : tableOfEntries(entries);
}

/** Memory by node, from the memory blocks that the kernel lists for each node. */
function readNodes(tree: Tree): NodeMemoryRange[] {
	const blockSize = Number.parseInt(tree.read('/sys/devices/system/memory/block_size_bytes').value ?? '', 16);
	if (!(blockSize > 0)) return [];
	const directory = '/sys/devices/system/node';
	return tree.list(directory).flatMap((name) => {
		const node = /^node(\d+)$/.exec(name)?.[1];
		if (node === undefined) return [];
		const blocks = tree.list(`${directory}/${name}`).flatMap((entry) => {
			const block = /^memory(\d+)$/.exec(entry)?.[1];
			const start = Number(block) * blockSize;
			return block === undefined ? [] : [{ start, end: start + blockSize }];
		});
		return joined(blocks).map((range) => ({ node: Number(node), ...range }));
	});
}

/** How many bytes all huge pages have, whatever reserved them. */
function readHugePages(tree: Tree): number {
	const directory = '/sys/kernel/mm/hugepages';
	return tree.list(directory).reduce((sum, name) => {
		const kib = Number(/^hugepages-(\d+)kB$/.exec(name)?.[1] ?? 0);
		return sum + kib * KIB * (tree.number(`${directory}/${name}/nr_hugepages`).value ?? 0);
	}, 0);
}

/** Whether this is the dom0 of Xen. Its kernel sees the hypervisor's table. */
const isDom0 = (tree: Tree): boolean => /\bcontrol_d\b/.test(tree.read('/proc/xen/capabilities').value ?? '');

function evidenceAt(tree: Tree, iomem: Iomem | undefined): Evidence {
	const tables = new Map<MemoryTableSource, PrintedTable>();
	const firmware = readFirmwareMap(tree);
	if (firmware !== undefined) tables.set('sysfs', firmware);
	if (iomem !== undefined) tables.set('iomem', { ranges: iomem.ranges, omissions: [] });
	return {
		tables,
		commandLine: tree.read('/proc/cmdline').value,
		log: undefined,
		iomem,
		nodes: readNodes(tree),
		hugePages: readHugePages(tree),
		xen: isDom0(tree),
	};
}

/** Node's names of the architectures on which the kernel has an e820 table. */
const x86: readonly string[] = ['x64', 'ia32'];

function noTable(tree: Tree): Error {
	const why =
		tree.root === '' ? 'a container, or where the kernel was built without CONFIG_FIRMWARE_MEMMAP' : 'most images';
	const finding = `there is neither ${tree.root}${firmwareMap} nor ${tree.root}${iomemPath}, as in ${why}`;
	const remedy = 'give the kernel’s log of that machine: sudo dmesg > dmesg.txt, then --from dmesg.txt';
	return refusal('ERR_DAXKIND_NO_TABLE', `${tree.root}${firmwareMap}`, finding, remedy);
}

/**
 * Reads the memory table of this machine. It is the firmware's own in /sys/firmware/memmap, which everybody may read,
 * or else /proc/iomem, which shows addresses to root only. With it comes what /proc/cmdline says of memory, NUMA nodes,
 * huge pages and, if you are root, the crash kernel. It blocks the thread while it reads these files, and changes
 * nothing.
 *
 * @throws ERR_DAXKIND_NO_TABLE if neither file is there; and the errors of parseMemoryTable(). ENOENT, EACCES… if
 * `from` cannot be read. ERR_INVALID_ARG_VALUE for `root` together with `from`.
 * @example
 * readMemoryTable().source; // 'sysfs'
 */
export function readMemoryTable(options?: ReadMemoryTableOptions): MemoryTable {
	const { root, from } = requireOptions('options', options, ['root', 'from']);
	if (from !== undefined) {
		if (root !== undefined) throw invalidArgValue('options.from', 'given without root', from);
		const path = requirePath('options.from', from);
		return parseMemoryTable(readFileSync(path, 'utf8'), path);
	}
	return readTableOf(treeOf(root));
}

/** The table of the machine whose files these are. */
function readTableOf(tree: Tree): MemoryTable {
	const iomem = parseIomem((tree.read(iomemPath).value ?? '').split('\n'));
	const evidence = evidenceAt(tree, iomem?.isHidden === true ? undefined : iomem);
	const table = composeTable(evidence, `${tree.root}${firmwareMap}`);
	const isForeign = tree.root === '' && !x86.includes(process.arch);
	if (isForeign || (table?.source === 'iomem' && iomem?.isForeign === true)) {
		throw otherArchitecture(`${tree.root}${iomemPath}`, isForeign ? `an ${process.arch}` : 'a non-x86');
	}
	if (table !== undefined) return table;
	throw iomem?.isHidden === true ? hiddenAddresses(iomemPath) : noTable(tree);
}

/**
 * The firmware's own table of the machine whose files these are. Only this table is not changed by any argument of the
 * kernel. Undefined where the machine does not show it.
 *
 * @throws ERR_DAXKIND_NOT_X86, ERR_DAXKIND_TABLE_DISORDER.
 */
export function firmwareTableOf(tree: Tree): MemoryTable | undefined {
	try {
		const table = readTableOf(tree);
		return table.source === 'sysfs' ? table : undefined;
	} catch (error) {
		const { code } = error as DaxkindRefusal;
		if (code === 'ERR_DAXKIND_NO_TABLE' || code === 'ERR_DAXKIND_ADDRESSES_HIDDEN') return undefined;
		throw error;
	}
}
