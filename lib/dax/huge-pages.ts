// Says whether the kernel can map a file by entries of 2 MiB. That depends on where its blocks lie on the device, and
// where the device begins. Pure.
import { formatBytes } from '../format.ts';
import type { Constants } from '../native/constants.ts';

/** A run of blocks of a file, all in bytes. */
export interface FileExtent {
	/** Where it begins in the file. */
	logical: number;
	/** Where it begins on the block device. */
	physical: number;
	length: number;
	/** FIEMAP_EXTENT_ bits. */
	flags: number;
}

/** Whether huge pages are possible, and what prevents them. */
export interface DaxHugePages {
	/**
	 * Whether the file's blocks can be mapped by huge pages. For a file: whether at least one can. For a directory:
	 * whether those of large files that are made in it can. Undefined where the kernel does not tell enough.
	 */
	possible: boolean | undefined;
	/**
	 * Of a file: how many pieces of 2 MiB it has, and how many of them one entry can map. `mappable` is undefined as long
	 * as the file has no blocks.
	 */
	pieces: number | undefined;
	mappable: number | undefined;
	/** Of a file: how many extents it has. Undefined if it has no extents, or they could not be read. */
	extents: number | undefined;
	/** What prevents huge pages, in words. Empty if nothing does. */
	obstacles: string[];
}

/** Makes FileExtents of the numbers that native.fileExtents gives. */
export function extentsOf(numbers: Float64Array): FileExtent[] {
	return Array.from({ length: numbers.length / 4 }, (_, n) => ({
		logical: numbers[4 * n]!,
		physical: numbers[4 * n + 1]!,
		length: numbers[4 * n + 2]!,
		flags: numbers[4 * n + 3]!,
	}));
}

/** Joins an extent to the one before it where it continues that one, both in the file and on the device. */
function joined(extents: readonly FileExtent[]): FileExtent[] {
	const result: FileExtent[] = [];
	for (const extent of extents) {
		const last = result.at(-1);
		if (last && last.logical + last.length === extent.logical && last.physical + last.length === extent.physical) {
			last.length += extent.length;
		} else result.push({ ...extent });
	}
	return result;
}

/**
 * Counts the pieces of a huge page's size that one entry can map. Such a piece is within one run of blocks, and that
 * run lies on the device as it lies in the file, modulo the size.
 *
 * @param deviceStart Where the block device begins, in bytes: its physical address, or a partition's start.
 */
export function mappablePieces(extents: readonly FileExtent[], deviceStart: number, hugePageSize: number): number {
	let pieces = 0;
	for (const { logical, physical, length } of joined(extents)) {
		if ((physical + deviceStart - logical) % hugePageSize !== 0) continue;
		const first = Math.ceil(logical / hugePageSize);
		const end = Math.floor((logical + length) / hugePageSize);
		pieces += Math.max(0, end - first);
	}
	return pieces;
}

/** What the judgement on huge pages depends on. */
export interface HugePageFacts {
	/** Bytes. */
	hugePageSize: number;
	/** Whether the mount and its device can do DAX at all. */
	daxPossible: boolean;
	/**
	 * The physical address at which the device begins, as far as it is known, or its place on the disk. Undefined without
	 * a device.
	 */
	deviceStart: number | undefined;
	/** Whether the device is made of others. Then nothing tells where it lies on them: LVM begins 1 MiB in by default. */
	stacked: boolean;
	/** What the file system aligns large files to, in bytes. 0: not known. */
	allocationUnit: number;
	/** The extents of the file. Undefined for a directory, or if they could not be read. */
	extents: readonly FileExtent[] | undefined;
	/** Whether these are all extents of the file. */
	complete: boolean;
	/** The file's length; undefined for a directory. */
	size: number | undefined;
}

/** The extents up to the end of the file, because blocks that are kept beyond it are never mapped. */
function withinFile(extents: readonly FileExtent[], size = Number.MAX_SAFE_INTEGER): FileExtent[] {
	return extents.map((extent) => ({
		...extent,
		length: Math.max(0, Math.min(extent.length, size - extent.logical)),
	}));
}

/** Judges whether huge pages are possible. */
export function hugePages(facts: HugePageFacts): DaxHugePages {
	const { hugePageSize, daxPossible, deviceStart, stacked, allocationUnit, extents, complete, size } = facts;
	const unit = formatBytes(hugePageSize);
	const obstacles: string[] = [];
	if (!daxPossible) obstacles.push('there is no DAX here');
	const isShifted = deviceStart !== undefined && deviceStart % hugePageSize !== 0;
	if (isShifted) obstacles.push(`the device begins at byte ${deviceStart}, which is not a multiple of ${unit}`);
	const pieces = size === undefined ? undefined : Math.floor(size / hugePageSize);
	if (pieces === 0) obstacles.push(`the file is shorter than ${unit}`);
	if (stacked)
		obstacles.push(`it is not known whether the device begins at a multiple of ${unit} on the devices below it`);
	const result = { pieces, mappable: undefined, extents: undefined, obstacles };
	const hasBlocks = extents !== undefined && (extents.length > 0 || !complete);
	if (!hasBlocks) {
		// There is nothing to measure: a directory, a file without blocks as yet, or extents that cannot be read. So this
		// says what the geometry promises.
		const isGeometryKnown = allocationUnit > 0;
		if (isGeometryKnown && allocationUnit % hugePageSize !== 0) {
			obstacles.push(`the file system aligns large files to ${allocationUnit} bytes, not to ${unit}`);
		}
		if (!isGeometryKnown && obstacles.length === 0) {
			obstacles.push(`the file system was not told to align large files to ${unit}`);
			return { ...result, possible: undefined };
		}
		return {
			...result,
			possible: obstacles.length === 0 ? true : stacked && obstacles.length === 1 ? undefined : false,
		};
	}
	const mappable = mappablePieces(withinFile(extents, size), deviceStart ?? 0, hugePageSize);
	if (mappable === 0 && pieces !== 0)
		obstacles.push(`no piece of ${unit} of the file is contiguous and aligned to ${unit} on the device`);
	const isKnown = !stacked && (mappable > 0 || complete);
	return {
		...result,
		mappable,
		extents: extents.length,
		possible: isKnown || !daxPossible ? daxPossible && mappable > 0 : undefined,
	};
}

/** The extents whose place on the device means something. */
export function placed(extents: readonly FileExtent[], constants: Constants): FileExtent[] {
	const without =
		constants.FIEMAP_EXTENT_UNKNOWN | constants.FIEMAP_EXTENT_ENCODED | constants.FIEMAP_EXTENT_DATA_INLINE;
	return extents.filter(({ flags }) => (flags & without) === 0);
}
