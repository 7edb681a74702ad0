// The door of lib/memmap: the firmware's memory table, and plans for persistent memory that the kernel emulates in RAM. Also the package's
// entry `daxkind/memmap`.

export type { Refusal } from '../errors.ts';
export type { Account, PlannedTable } from './account.ts';
export {
	type ApplyOptions,
	applyMemmap as apply,
	type BootChange,
	type BootEvidence,
	type BootLines,
	type BootSetup,
	bootLines,
	type ConfiguredArgument,
	detectBoot,
	undoMemmap as undo,
} from './boot/index.ts';
export type { BootArguments, MemmapEntry, MemmapKind } from './boot-arguments.ts';
export { parseTable } from './parse.ts';
export { type MemmapPlan, plan } from './plan.ts';
export type { RangeType } from './range-type.ts';
export type { AddressRange } from './ranges.ts';
export { type ReadTableOptions, readTable } from './read.ts';
export type { Region } from './regions.ts';
export type { MemoryRange, MemoryTable, NodeRange, Omission, Reservation, TableSource } from './table.ts';
export {
	type EmulatedDevice,
	type FormatLines,
	type MemmapCheck,
	type MemmapLink,
	type Verification,
	verify,
} from './verify/index.ts';
export type { PlanWish } from './wish.ts';
