// What others may use of lib/mapping: mapping files and devices into memory, and making stores persistent there.

export type { PmemBatch } from './batch.ts';
export { bytesOf } from './bytes.ts';
export { fileGranularity, granularities, type PmemGranularity, type PmemGranularityReason } from './granularity.ts';
export type { MappingMediaError } from './losses.ts';
export { mapAnonymous } from './map-anonymous.ts';
export { type MapDeviceOptions, mapDevice } from './map-device.ts';
export { type MapFileOptions, mapFile, mapOpenFile } from './map-file.ts';
export { refusedMapSync } from './map-sync.ts';
export { whyNoFile } from './no-file.ts';
export {
	idOf,
	isMapping,
	type PersistAsyncOptions,
	type PersistProgress,
	PmemMapping,
	type PmemMappingSource,
	requireUsable,
} from './pmem-mapping.ts';
export type { StoreOptions } from './stores.ts';
