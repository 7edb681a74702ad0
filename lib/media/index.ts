// The door of lib/media: bad blocks of persistent memory, which files are on them, and their repair. It is also the
// package's entry `daxkind/media`.

export type { ByteRange } from '../byte-ranges.ts';
export { type BadBlocksOptions, badBlocksAsync } from './bad-blocks.ts';
export type { BadBlockList, BadRange } from './device-list.ts';
export { type BadRangesOptions, badRangesIn, type FileExtent } from './ranges.ts';
export { repairAsync } from './repair.ts';
export type { MediaRepair, RepairedPart, RepairMethod, RepairOptions, RepairProgress } from './repair-report.ts';
export type { BadBlocks, BadBlocksProgress, BadPart } from './report.ts';
export { type BadBlocksUnder, badBlocksUnder } from './under.ts';
