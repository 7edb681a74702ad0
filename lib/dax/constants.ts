// The bits of the kernel's masks for callers.

import type { DaxConstants } from '../native/constants.ts';
import { native } from '../native.ts';

/** Magic numbers and sizes are not bits of a mask. */
const isBit = (name: string) => /^(FS_XFLAG|STATX|FIEMAP_EXTENT)_|^FS_\w+_FL$/.test(name);

function bits(): DaxConstants {
	try {
		return Object.freeze(
			Object.fromEntries(Object.entries(native.constants).filter(([name]) => isBit(name))),
		) as DaxConstants;
	} catch {
		// Without the addon, importing does not fail. Whoever reads a constant is told why there is no addon.
		return native as unknown as DaxConstants;
	}
}

/**
 * The bits of the masks that `statx`, `getFsxattr` and `inspect` give, and that `badRangesIn` takes. They have the
 * names of the kernel's headers:
 * - STATX_ATTR_ (BigInts): `attributes` and `attributesMask`; STATX_: `mask`;
 * - FS_XFLAG_: `flags` of `getFsxattr`, `xflags` of `inspect`;
 * - FS_…_FL: `inodeFlags` of `inspect`;
 * - FIEMAP_EXTENT_: `flags` of an extent.
 *
 * @example
 * const isImmutable = (getFsxattr('/mnt/pmem/data').flags & daxConstants.FS_XFLAG_IMMUTABLE) !== 0;
 */
export const daxConstants: DaxConstants = bits();
