// The door of lib/memmap/boot: how a kernel gets its memmap= argument at boot.

export { type ApplyMemmapOptions, applyMemmap, type BootChange, undoMemmap } from './apply.ts';
export type { ConfiguredArgument } from './configured.ts';
export { type BootSetup, detectBoot } from './detect.ts';
export type { BootEvidence } from './facts.ts';
export { type BootLines, bootLines } from './lines.ts';
