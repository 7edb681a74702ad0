// The mounts of the guest that `npm test` boots, in the order of the options in scripts/test.mjs.

/** ext4 and xfs with dax=always, ext4 with dax=never, ext2 with dax, and a read-only erofs with dax=always. */
export const [ext4, xfs, never, ext2, erofs] = (process.env.DAXKIND_MOUNTS ?? '').split(':') as [
	string,
	string,
	string,
	string,
	string,
];
