// The door of lib/dax: what the kernel says of a file's DAX state, its persistent flag, and why DAX is off.
export { findDaxMounts } from './find-dax-mounts.ts';
export { getFsxattr, setDaxFlag } from './fsxattr.ts';
export { isDax } from './is-dax.ts';
export type { Mount } from './mountinfo.ts';
export { statx } from './statx.ts';
export { type DaxVerdict, whyNotDax } from './why-not-dax.ts';
