// The door of lib/media: bad blocks of persistent memory, which files are on them, and their repair. Also the package's entry
// `daxkind/media`.

export type { ByteRange } from '../byte-ranges.ts';
export { type BadBlocksOptions, badBlocksAsync } from './bad-blocks.ts';
export type { BadBlockList, BadRange } from './device-list.ts';
export { type BadRangesOptions, badRangesIn, type FileExtent } from './ranges.ts';
export {
	type MediaRepair,
	type RepairedPart,
	type RepairMethod,
	type RepairOptions,
	type RepairProgress,
	repairAsync,
} from './repair.ts';
export type { BadBlocks, BadBlocksProgress, BadPart } from './report.ts';
export { type BadBlocksUnder, badBlocksUnder } from './under.ts';
