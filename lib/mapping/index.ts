// What others may use of lib/mapping: mapping files into memory, and making stores persistent there.

export { granularityOf, type PmemGranularity } from './granularity.ts';
export { type MapFileOptions, mapFile } from './map-file.ts';
export { refusedMapSync } from './map-sync.ts';
export { whyNoFile } from './no-file.ts';
export { idOf, isMapping, type MappingMediaError, PmemMapping, requireUsable } from './pmem-mapping.ts';
