// The mounts and devices of the guests that `npm test` boots, in the order of the options in scripts/test.mjs. A guest
// has the name of the tests' project that runs in it: vm, vm-memory, vm-device.

const list = (variable: string): string[] => (process.env[variable] ?? '').split(':');

/**
 * In vm and vm-memory: ext4 and xfs with dax=always, ext4 with dax=never, ext2 with dax, and a read-only erofs with
 * dax=always.
 */
export const [ext4, xfs, never, ext2, erofs] = list('DAXKIND_MOUNTS') as [string, string, string, string, string];

/** Those of them on which a new file is on DAX. */
export const onDax = [
	['ext4', ext4],
	['xfs', xfs],
	['ext2', ext2],
] as const;

/** A pmem device of 512 MiB without a file system; in vm-device it has 64 MiB. A test may do with it what it likes. */
export const scratch = list('DAXKIND_PMEMS').at(-1)!;

/** An nvdimm of 128 MiB, in vm and vm-memory. Its namespace is raw and has no DAX. */
export const nvdimm = list('DAXKIND_NVDIMMS')[0]!;

/** A virtio-pmem of 128 MiB, in vm. It has DAX, but the processor alone cannot make its data persistent. */
export const virtioPmem = list('DAXKIND_VIRTIO_PMEMS')[0]!;

/**
 * A directory of the host, in vm. It is shared over virtiofs without a DAX window. It is undefined where the host
 * cannot share one: see scripts/share.mjs.
 */
export const virtiofs = process.env.DAXKIND_VIRTIOFS;

/**
 * Devices of vm-device: device-DAX devices, each on a node of its own. They are an nvdimm of 384 MiB, one that is
 * smaller than a memory block, Soft Reserved memory of 256 MiB, and a CXL device of 256 MiB.
 */
export const [devdax, smallDevdax] = list('DAXKIND_DEVDAXS') as [string, string];
export const hmem = list('DAXKIND_HMEMS')[0]!;
export const cxl = list('DAXKIND_CXLS')[0]!;
