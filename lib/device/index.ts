// The door of lib/device: device-DAX devices and the memory that the kernel makes of them. Also the package's entry `daxkind/device`.

export type { Refusal } from '../errors.ts';
export { type BootMode, modeAfterReboot } from './boot.ts';
export type { DaxDevice, DaxDeviceMode, DaxMapping } from './device.ts';
export { type LookOptions, listDevices } from './devices.ts';
export {
	type CreateDeviceOptions,
	createDeviceAsync,
	type DeviceChange,
	destroyDeviceAsync,
	disableDeviceAsync,
	enableDeviceAsync,
} from './dynamic.ts';
export { deviceOf, getDevice } from './find.ts';
export { type Holder, holdersOf } from './holders.ts';
export type { DeviceMemory, MemoryBlock } from './memory.ts';
export { type MigrateOptions, type Migration, migrateDeviceModel } from './migrate.ts';
export { type DeviceModel, type DeviceModelEvidence, deviceModel } from './model.ts';
export { type MemoryChange, type OnlineMemoryOptions, offlineMemoryAsync, onlineMemoryAsync } from './online.ts';
export type { DeviceOptions, DeviceProgress } from './options.ts';
export { type Reconfiguration, type ReconfigureOptions, reconfigureDeviceAsync } from './reconfigure.ts';
export { type DaxRegion, listRegions } from './regions.ts';
