// The door of lib/mapping: files mapped into memory, and making what is written there persistent.

export { granularityOf, type PmemGranularity } from './granularity.ts';
export { type MapFileOptions, mapFile } from './map-file.ts';
export { whyNoFile } from './no-file.ts';
export { idOf, isMapping, type MappingMediaError, PmemMapping } from './pmem-mapping.ts';
