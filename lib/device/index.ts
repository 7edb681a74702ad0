// The door of lib/device: device-DAX devices and the memory that the kernel makes of them. It is also the package's
// entry `daxkind/device`.

export type { DaxkindRefusal } from '../errors.ts';
export { type DeviceBootMode, modeAfterReboot } from './boot.ts';
export type { DaxDevice, DaxDeviceMode, DaxMapping } from './device.ts';
export { type DeviceLookOptions, listDevices } from './devices.ts';
export {
	type CreateDeviceOptions,
	createDeviceAsync,
	type DeviceChange,
	destroyDeviceAsync,
	disableDeviceAsync,
	enableDeviceAsync,
} from './dynamic.ts';
export { deviceOf, getDevice } from './find.ts';
export { type DeviceHolder, holdersOf } from './holders.ts';
export type { InitramfsImage } from './initramfs.ts';
export type { DeviceMemory, MemoryBlock } from './memory.ts';
export { type DeviceModelMigration, type MigrateDeviceModelOptions, migrateDeviceModel } from './migrate.ts';
export { type DeviceModel, type DeviceModelEvidence, deviceModel } from './model.ts';
export { type DeviceMemoryChange, type OnlineMemoryOptions, offlineMemoryAsync, onlineMemoryAsync } from './online.ts';
export type { DeviceOperationOptions, DeviceProgress } from './options.ts';
export type { DeviceOrigin } from './origin.ts';
export { type DeviceReconfiguration, type ReconfigureDeviceOptions, reconfigureDeviceAsync } from './reconfigure.ts';
export { type DaxRegion, listRegions } from './regions.ts';
