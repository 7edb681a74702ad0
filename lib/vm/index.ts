// The entry of lib/vm: runs a command in a VM with emulated pmem, and says what that needs on this machine.
export { architectures } from './architecture.ts';
export { asDaxMode, asFileSystem, fileSystems } from './filesystem.ts';
export { firmwareTypes } from './firmware.ts';
export { machineTypes } from './layout.ts';
export type { MachineOptions, VmOptions } from './options.ts';
export { missingVmPackages, vmRequirements } from './programs.ts';
export { acceleratorChoices } from './qemu.ts';
export { runVm } from './run.ts';
