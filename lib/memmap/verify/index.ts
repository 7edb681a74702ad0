// The door of lib/memmap/verify: whether emulated persistent memory is there after a boot, and usable with DAX.

export type { MemmapCheck, MemmapLink } from './check.ts';
export type { FormatLines } from './format.ts';
export { type EmulatedDevice, type MemmapVerification, verifyMemmap } from './verify.ts';
