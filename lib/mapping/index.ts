// The door of lib/mapping: files mapped into memory, and making what is written there persistent.

export { type Granularity, granularityOf } from './granularity.ts';
export { type MapFileOptions, mapFile } from './map-file.ts';
export { whyNoFile } from './no-file.ts';
export { idOf, isMapping, type MappingMediaError, PmemMapping } from './pmem-mapping.ts';
