// The kernel's list of bad blocks of one device, and for each range, in which list it is and where.
import { accessSync, constants } from 'node:fs';
import { basename } from 'node:path';
import { attempt } from '../attempt.ts';
import { type ByteRange, intersection } from '../byte-ranges.ts';
import { native } from '../native.ts';
import { machine } from '../tree.ts';
import { rowsOf } from './ranges.ts';

/** A bad range of a device, in bytes. */
export interface BadRange extends ByteRange {
	/** The file in sysfs that lists it. The list is for a whole disk, or for a region of nvdimms. */
	source: string;
	/** Its offset on that disk or region. */
	sourceOffset: number;
}

/** What the kernel lists for a device. */
export interface BadBlockList {
	/** pmem0, pmem0p1, dm-0, dax0.0. */
	name: string;
	/** /dev/… */
	path: string;
	type: 'block' | 'DAX';
	major: number;
	minor: number;
	/** The bad ranges, in order. */
	ranges: BadRange[];
	/** The files that were read. */
	sources: string[];
	/** Why the list may be incomplete, as clauses. */
	doubts: string[];
}

/** The directory in sysfs of the device with these numbers. */
const directoryOf = (type: BadBlockList['type'], major: number, minor: number) =>
	`/sys/dev/${type === 'DAX' ? 'char' : 'block'}/${major}:${minor}`;

function doubtsOf(path: string, sysfs: string | undefined, sources: readonly string[], doubt: string): string[] {
	if (sysfs === undefined) return [`sysfs does not show ${path}`];
	const unreadable = sources.filter((source) => attempt(() => accessSync(source, constants.R_OK)).error !== undefined);
	return [
		...(doubt === '' ? [] : [doubt]),
		...(sources.length === 0 && doubt === '' ? [`the kernel keeps no list of bad blocks for ${path}`] : []),
		...unreadable.map((source) => `${source} cannot be read by this user`),
	];
}

/**
 * Reads the list of a device. It reads some files in sysfs. For a volume of the device mapper it also reads the
 * volume's table, which needs root.
 */
export function readDeviceList(type: BadBlockList['type'], major: number, minor: number): BadBlockList {
	const sysfs = machine.resolve(directoryOf(type, major, minor));
	const name = sysfs === undefined ? `${major}:${minor}` : basename(sysfs);
	const path = `/dev/${name}`;
	const { ranges, sources, doubt } = native.badBlocksOf(major, minor, type === 'DAX');
	return {
		name,
		path,
		type,
		major,
		minor,
		ranges: rowsOf(ranges, 4).map(([offset, length, source, sourceOffset]) => ({
			offset: offset!,
			length: length!,
			source: sources[source!]!,
			sourceOffset: sourceOffset!,
		})),
		sources,
		doubts: doubtsOf(path, sysfs, sources, doubt),
	};
}

/** A part of a list. */
export interface SourceRange extends ByteRange {
	source: string;
}

/** The parts of the lists that stand for a part of a device. */
export function inSources(list: Pick<BadBlockList, 'ranges'>, part: ByteRange): SourceRange[] {
	return list.ranges.flatMap((range) => {
		const both = intersection(range, part);
		if (both === undefined) return [];
		return [{ source: range.source, offset: both.offset - range.offset + range.sourceOffset, length: both.length }];
	});
}

/** The ranges of a device that a part of a list stands for. */
export function onDevice(list: Pick<BadBlockList, 'ranges'>, { source, ...part }: SourceRange): ByteRange[] {
	return list.ranges.flatMap((range) => {
		if (range.source !== source) return [];
		const both = intersection({ offset: range.sourceOffset, length: range.length }, part);
		return both === undefined ? [] : [{ offset: both.offset - range.sourceOffset + range.offset, length: both.length }];
	});
}
