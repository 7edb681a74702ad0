// The door of lib/memmap: the firmware's memory table, and plans for persistent memory that the kernel emulates in RAM.
// It is also the package's entry `daxkind/memmap`.

export type { AddressRange } from '../byte-ranges.ts';
export type { DaxkindRefusal } from '../errors.ts';
export type { DaxFileSystem } from '../mkfs.ts';
export type { MemmapAccount, PlannableTable } from './account.ts';
export {
	type ApplyMemmapOptions,
	applyMemmap,
	type BootChange,
	type BootEvidence,
	type BootLines,
	type BootSetup,
	bootLines,
	type ConfiguredArgument,
	detectBoot,
	undoMemmap,
} from './boot/index.ts';
export type { BootArguments, MemmapEntry, MemmapKind } from './boot-arguments.ts';
export { parseMemoryTable } from './parse.ts';
export { type MemmapPlan, planMemmap } from './plan.ts';
export type { MemoryRangeType } from './range-type.ts';
export { type ReadMemoryTableOptions, readMemoryTable } from './read.ts';
export type { MemmapRegion } from './regions.ts';
export type {
	MemoryRange,
	MemoryReservation,
	MemoryTable,
	MemoryTableOmission,
	MemoryTableSource,
	NodeMemoryRange,
} from './table.ts';
export {
	type EmulatedDevice,
	type FormatLines,
	type MemmapCheck,
	type MemmapLink,
	type MemmapVerification,
	verifyMemmap,
} from './verify/index.ts';
export type { MemmapWish } from './wish.ts';
