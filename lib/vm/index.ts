// The door of lib/vm: run a command in a VM with emulated pmem, and what that needs on this machine.
export { type Architecture, architectures } from './architecture.ts';
export { processArguments } from './environment.ts';
export { asDaxMode, asFileSystem, type DaxMode, type FileSystem, fileSystems } from './filesystem.ts';
export { type FirmwareType, firmwareTypes } from './firmware.ts';
export { type MachineType, machineTypes } from './layout.ts';
export type { VmOptions } from './options.ts';
export { missingVmPackages, vmRequirements } from './programs.ts';
export type { Accelerator } from './qemu.ts';
export { runVm } from './run.ts';
