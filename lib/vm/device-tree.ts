// The device tree of an arm64 guest. It is QEMU's own with one more node, because QEMU does not know of the emulated
// pmem. The kernel's driver of_pmem makes pmem devices from that node
// (Documentation/devicetree/bindings/pmem/pmem-region.txt).
import { readFileSync, writeFileSync } from 'node:fs';
import { daxkindError } from '../errors.ts';
import { cached, cacheKey } from './cache.ts';
import type { MemoryRange } from './layout.ts';
import { execute } from './process.ts';

/** Constants of format version 17 (Devicetree Specification 0.4, chapter 5). Its words are big-endian. */
const MAGIC = 0xd00dfeed;
const FDT_BEGIN_NODE = 1;
const FDT_END_NODE = 2;
const FDT_PROP = 3;
const FDT_END = 9;
const header = { totalSize: 4, structure: 8, strings: 12, stringsSize: 32, structureSize: 36 } as const;

const word = (value: number): Buffer => {
	const bytes = Buffer.alloc(4);
	bytes.writeUInt32BE(value);
	return bytes;
};
const padded = (bytes: Buffer): Buffer => Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
const cString = (text: string): Buffer => Buffer.from(`${text}\0`);

/** An address or a size as two words, the more significant one first. QEMU's root node has two cells for each. */
function cells(value: number): Buffer {
	const bytes = Buffer.alloc(8);
	bytes.writeBigUInt64BE(BigInt(value));
	return bytes;
}

const nodeName = 'pmem';
/** The name of the node's platform device. In sysfs the provider of the node's regions has the same name. */
export const pmemProvider = (regions: readonly MemoryRange[]): string =>
	regions[0] ? `${regions[0].start.toString(16)}.${nodeName}` : '';

/**
 * Adds pmem to a device tree.
 *
 * @param tree A flattened device tree.
 * @param regions The ranges of pmem, by rising address: the kernel numbers them in this order.
 */
export function withPmem(tree: Buffer, regions: readonly MemoryRange[]): Buffer {
	if (tree.length < 40 || tree.readUInt32BE(0) !== MAGIC) throw new TypeError('not a flattened device tree');
	const part = (offset: number, size: number) => {
		const start = tree.readUInt32BE(offset);
		return tree.subarray(start, start + tree.readUInt32BE(size));
	};
	const structure = part(header.structure, header.structureSize);
	const strings = part(header.strings, header.stringsSize);
	const names: Buffer[] = [strings];
	const property = (name: string, value: Buffer): Buffer => {
		const offset = names.reduce((length, { length: more }) => length + more, 0);
		names.push(cString(name));
		return Buffer.concat([word(FDT_PROP), word(value.length), word(offset), padded(value)]);
	};
	const node = Buffer.concat([
		word(FDT_BEGIN_NODE),
		padded(cString(`${nodeName}@${regions[0]!.start.toString(16)}`)),
		property('compatible', cString('pmem-region')),
		property('reg', Buffer.concat(regions.flatMap(({ start, size }) => [cells(start), cells(size)]))),
		word(FDT_END_NODE),
	]);
	const end = Buffer.concat([word(FDT_END_NODE), word(FDT_END)]);
	if (!structure.subarray(-end.length).equals(end)) throw new TypeError('the root of the device tree does not end it');
	const newStructure = Buffer.concat([structure.subarray(0, -end.length), node, end]);
	const newStrings = Buffer.concat(names);
	// Header and reserved memory stay as they are. Structure and strings follow them.
	const first = tree.subarray(0, Math.min(tree.readUInt32BE(header.structure), tree.readUInt32BE(header.strings)));
	const result = Buffer.concat([first, newStructure, newStrings]);
	result.writeUInt32BE(result.length, header.totalSize);
	result.writeUInt32BE(first.length, header.structure);
	result.writeUInt32BE(first.length + newStructure.length, header.strings);
	result.writeUInt32BE(newStructure.length, header.structureSize);
	result.writeUInt32BE(newStrings.length, header.stringsSize);
	return result;
}

/**
 * Returns the path of the (cached) device tree of a machine with pmem.
 *
 * @param qemu Path of QEMU's program.
 * @param machine The arguments of QEMU that decide what is in its tree. The first is the value of `-machine`.
 * @throws ERR_DAXKIND_VM_FAILED with QEMU's message.
 */
export async function deviceTree(
	qemu: string,
	[type, ...rest]: readonly [type: string, ...rest: string[]],
	regions: readonly MemoryRange[],
): Promise<string> {
	const { stdout: version } = await execute(qemu, ['--version']);
	const key = cacheKey(version, type, ...rest, JSON.stringify(regions));
	return cached(`vm/device-trees/${key}.dtb`, async (path) => {
		const dump = ['-nodefaults', '-no-user-config', '-display', 'none', '-machine', `${type},dumpdtb=${path}`, ...rest];
		const { status, stderr } = await execute(qemu, dump);
		if (status !== 0) throw daxkindError('ERR_DAXKIND_VM_FAILED', `QEMU made no device tree:\n  ${stderr.trim()}`);
		writeFileSync(path, withPmem(readFileSync(path), regions));
	});
}
