// The door of lib/media: bad blocks of persistent memory, which files are on them, and their repair. Also the package's entry
// `daxkind/media`.

export type { Range } from '../byte-ranges.ts';
export { type BadBlocksOptions, badBlocksAsync } from './bad-blocks.ts';
export type { BadRange, DeviceList } from './device-list.ts';
export { type BadRangesOptions, badRangesIn, type Extent } from './ranges.ts';
export {
	type Repair,
	type RepairedPart,
	type RepairMethod,
	type RepairOptions,
	type RepairProgress,
	repairAsync,
} from './repair.ts';
export type { BadBlocks, BadBlocksProgress, BadPart } from './report.ts';
export { type BadUnder, badUnder } from './under.ts';
