// The package's entry `daxkind/keyv`: stores for Keyv. It imports nothing of Keyv, so it works with each of its versions.

export { KeyvPmem } from './keyv-pmem.ts';
export { type KeyvPmemCapabilities, KeyvPmemV6 } from './keyv-pmem-v6.ts';
export { type KeyvPmemOptions, KeyvPmemStore } from './store.ts';
