// The links below the mount: namespace, block device, partition, block size.
import { formatBytes } from '../../format.ts';
import type { BlockDevice, BlockDeviceLayer } from '../block-device.ts';
import type { DaxMountReport, DaxReport } from '../report.ts';
import { check, type DaxCheck, type DaxEvidence, elsewhere, type Judge, sourceOf } from './check.ts';

/** What gives persistent memory page structures. */
const pageStructures =
	"boot a kernel that makes page structures: it has CONFIG_ZONE_DEVICE and CONFIG_FS_DAX (grep -E 'ZONE_DEVICE|FS_DAX' /boot/config-$(uname -r))";

/** Judges the mode of the persistent-memory namespace: only fsdax has DAX. */
export const namespaceLink: Judge = ({ namespace, region, device }) => {
	if (!namespace || !device) return undefined;
	const evidence = [
		{ value: namespace.mode ?? 'unknown', source: `mode of ${namespace.name}, in /sys/bus/nd/devices` },
		{ value: region?.provider ?? 'unknown', source: `provider of the bus of ${region?.name}` },
	];
	if (namespace.mode === undefined) {
		return check('namespace', 'unknown', `the mode of ${namespace.name} is not known`, evidence);
	}
	// drivers/nvdimm/e820.c gives all its regions page structures. So it is the kernel that makes none here.
	if (namespace.mode === 'raw' && region?.provider === 'e820') {
		const finding = `${namespace.name} (/dev/${device.disk}) has no page structures, but DAX needs them: this kernel does not make them`;
		return check('namespace', 'broken', finding, evidence, pageStructures);
	}
	if (namespace.mode !== 'fsdax') {
		return check(
			'namespace',
			'broken',
			`${namespace.name} (/dev/${device.disk}) is in ${namespace.mode} mode, which has no DAX`,
			evidence,
			`make it an fsdax namespace, which destroys its contents: ndctl create-namespace -f -e ${namespace.name} --mode=fsdax`,
		);
	}
	return check('namespace', 'ok', `${namespace.name} is in fsdax mode`, evidence);
};

/** What a device is, for a person. */
function described(layer: BlockDeviceLayer): string {
	switch (layer.type) {
		case 'loop':
			return `the loop device /dev/${layer.name}${layer.backingFile === undefined ? '' : ` (of ${layer.backingFile})`}`;
		case 'device-mapper':
			return `the device-mapper device /dev/mapper/${layer.mapping}${layer.uuid.startsWith('CRYPT-') ? ' (dm-crypt)' : ''}`;
		case 'md':
			return `the ${layer.level} array /dev/${layer.name}`;
		case 'disk':
			return `the block device /dev/${layer.name}`;
	}
}

const queueDax = (name: string, dax: boolean | undefined) => ({
	value: dax === undefined ? 'not there' : dax ? '1' : '0',
	source: `/sys/block/${name}/queue/dax`,
});

/** What helps when a layer above a medium with DAX has none. */
function layerRemedy(report: DaxReport, top: BlockDeviceLayer, below: BlockDeviceLayer): string {
	if (top.type === 'loop') return elsewhere(report);
	return `/dev/${below.name} below it can do DAX: put the file system on that, or on a linear or striped volume of LVM`;
}

function incapable(report: DaxReport, { layers }: BlockDevice): DaxCheck {
	const { namespace } = report;
	const [top, ...rest] = layers as [BlockDeviceLayer, ...BlockDeviceLayer[]];
	const below = rest.find(({ dax }) => dax === true);
	const evidence = layers.map(({ name, dax }) => queueDax(name, dax));
	if (namespace?.mode === 'raw' || namespace?.mode === 'sector') {
		return check('device', 'broken', `${described(top)} cannot do DAX in that mode`, evidence);
	}
	if (namespace?.mode === 'fsdax') {
		const finding = `${described(top)} is persistent memory in fsdax mode, but cannot do DAX: it has no page structures`;
		return check('device', 'broken', finding, evidence, pageStructures);
	}
	const backing =
		top.type === 'loop' && top.backingFile !== undefined
			? `; a loop device has no DAX even if ${top.backingFile} is on DAX`
			: '';
	const remedy = below ? layerRemedy(report, top, below) : `${elsewhere(report)}${backing}`;
	return check('device', 'broken', `${described(top)} cannot do DAX`, evidence, remedy);
}

function virtiofsWindow({ fileSystem: { daxWindow }, mount }: DaxReport): DaxCheck {
	const source = `PCI configuration of the virtio-fs device ${mount?.source}`;
	if (daxWindow === true) {
		return check('device', 'ok', 'the virtiofs share has a DAX window', [{ value: 'shared memory', source }]);
	}
	if (daxWindow === false) {
		return check(
			'device',
			'broken',
			'the virtiofs share has no DAX window',
			[{ value: 'no shared memory', source }],
			'on the host, give the vhost-user-fs device a DAX window (cache-size=…), with a virtual machine monitor that can do that; stock QEMU cannot. Or give the guest an nvdimm or virtio-pmem device',
		);
	}
	return check('device', 'unknown', 'it is not known whether the virtiofs share has a DAX window', [
		{ value: 'unreadable', source },
	]);
}

/**
 * Says that the size of a device is not a multiple of the page size, which excludes DAX (fs_dax_get_by_bdev of
 * drivers/dax/super.c, 5.17).
 */
function raggedEnd({ device, kernel }: DaxReport): { finding: string; evidence: DaxEvidence } | undefined {
	if (!device?.size || device.size % kernel.pageSize === 0) return undefined;
	return {
		finding: `/dev/${device.name} is ${device.size} bytes long, which is not a multiple of the page size, ${kernel.pageSize} bytes`,
		evidence: { value: `${device.size / 512} sectors of 512 bytes`, source: `/sys/class/block/${device.name}/size` },
	};
}

/** The check for a file system on a block device that sysfs does not show. */
function missingDevice({ mode, deviceMajor, deviceMinor, source }: DaxMountReport): DaxCheck | undefined {
	// File systems without a block device have major number 0.
	if (mode === 'unsupported' || deviceMajor === 0) return undefined;
	return check('device', 'unknown', `sysfs does not say whether the device ${source} can do DAX`, [
		{ value: 'not there', source: `/sys/dev/block/${deviceMajor}:${deviceMinor}` },
	]);
}

/** Judges whether the block device, or the virtiofs share, can do DAX. */
export const deviceLink: Judge = (report) => {
	const { device, mount, kernel } = report;
	if (mount?.fsType === 'virtiofs') return virtiofsWindow(report);
	if (!device) return mount && missingDevice(mount);
	if (device.dax === false) return incapable(report, device);
	const evidence = [queueDax(device.disk, device.dax)];
	if (device.dax === undefined) {
		return check('device', 'unknown', `the kernel does not say whether /dev/${device.disk} can do DAX`, evidence);
	}
	const ragged = device.partition ? undefined : raggedEnd(report);
	if (ragged) {
		const remedy = `make its size a multiple of ${kernel.pageSize / 512} sectors of 512 bytes`;
		return check('device', 'broken', ragged.finding, [...evidence, ragged.evidence], remedy);
	}
	return check('device', 'ok', `${described(device.layers[0]!)} can do DAX`, evidence);
};

/** Judges where the partition begins and ends. */
export const partitionLink: Judge = (report) => {
	const { device, kernel } = report;
	if (!device?.partition) return undefined;
	const { start } = device.partition;
	const evidence = [{ value: `${start / 512} sectors of 512 bytes`, source: `/sys/class/block/${device.name}/start` }];
	const ragged = raggedEnd(report);
	if (start % kernel.pageSize === 0 && ragged) {
		const remedy = `make the partition again, with a size that is a multiple of ${kernel.pageSize / 512} sectors of 512 bytes`;
		return check('partition', 'broken', `the partition ${ragged.finding}`, [...evidence, ragged.evidence], remedy);
	}
	if (start % kernel.pageSize === 0) {
		return check('partition', 'ok', `the partition /dev/${device.name} consists of whole pages`, evidence);
	}
	return check(
		'partition',
		'broken',
		`the partition /dev/${device.name} begins at byte ${start} of its disk, which is not a multiple of the page size, ${kernel.pageSize} bytes`,
		evidence,
		`make the partition again, which destroys its contents, at a multiple of ${formatBytes(kernel.hugePageSize)}`,
	);
};

/** How to make a file system with blocks of a given size. */
const makers: Readonly<Record<string, string>> = {
	ext2: 'mkfs.ext2 -b ',
	ext3: 'mkfs.ext3 -b ',
	ext4: 'mkfs.ext4 -b ',
	xfs: 'mkfs.xfs -f -b size=',
	erofs: 'mkfs.erofs -b',
};

/** Judges the block size of the file system, which must be the page size. */
export const blockSizeLink: Judge = (report) => {
	const { fileSystem, mount, kernel } = report;
	const { blockSize } = fileSystem;
	const { pageSize } = kernel;
	const maker = mount && makers[mount.fsType];
	if (maker === undefined) return undefined;
	if (blockSize === 0) {
		return check('block size', 'unknown', "the size of the file system's blocks cannot be read", [
			{ value: 'refused', source: 'statfs, f_bsize' },
		]);
	}
	const evidence = [
		{ value: `${blockSize}`, source: 'statfs, f_bsize' },
		{ value: `${pageSize}`, source: 'page size' },
	];
	if (blockSize === pageSize)
		return check('block size', 'ok', `its blocks are as large as a page, ${pageSize} bytes`, evidence);
	return check(
		'block size',
		'broken',
		`the file system's blocks are ${blockSize} bytes, but DAX needs blocks as large as a page, ${pageSize} bytes`,
		evidence,
		`make the file system again, which destroys its contents: ${maker}${pageSize} ${sourceOf(report)}${mount?.fsType === 'erofs' ? ' DIRECTORY' : ''}`,
	);
};
