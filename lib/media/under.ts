// What is bad under a path, at a glance. It is for reports that must not walk through trees.
import { attempt } from '../attempt.ts';
import { type ByteRange, lengthOf } from '../byte-ranges.ts';
import { native } from '../native.ts';
import { blockSizeAt } from './bad-blocks.ts';
import { type BadBlockList, readDeviceList } from './device-list.ts';
import { bytesOf, rangeBytes, rowsOf } from './ranges.ts';

/** Bad blocks of a device, and of one file on it. */
export interface BadBlocksUnder {
	/** How many ranges the kernel lists for the device, and how many bytes they have. */
	ranges: number;
	bytes: number;
	/**
	 * For a file: its parts that cannot be read. Undefined where the file system does not say, and for everything else.
	 */
	inFile: ByteRange[] | undefined;
	sources: string[];
	doubts: string[];
}

/** More extents than these are not looked through, because the answer has to be there at once. */
const mostExtents = 100_000;

/**
 * Reads the list of a device and, for a file on it, asks FS_IOC_FIEMAP. It makes no walk.
 *
 * @param file A regular file on the device.
 */
export function badBlocksUnder(
	type: BadBlockList['type'],
	major: number,
	minor: number,
	file?: string,
): BadBlocksUnder {
	const { ranges, sources, doubts } = readDeviceList(type, major, minor);
	const under = { ranges: ranges.length, bytes: lengthOf(ranges), sources, doubts };
	if (file === undefined || ranges.length === 0) return { ...under, inFile: file === undefined ? undefined : [] };
	const { value: extents } = attempt(() => native.fileExtents(file, mostExtents));
	if (extents === undefined) return { ...under, inFile: undefined };
	const found = native.badRangesIn(rangeBytes(ranges), bytesOf([...extents.extents]), blockSizeAt(file));
	return { ...under, inFile: rowsOf(found, 2).map(([offset, length]) => ({ offset: offset!, length: length! })) };
}
