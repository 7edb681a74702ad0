// The links that say what the DAX can be used for (MAP_SYNC, persistence, huge pages), and which parts of it are bad.
// None of these links keeps DAX off.
import { formatBytes, formatCounted, quoted } from '../../format.ts';
import { daxFileSystems, mkfsCommand } from '../../mkfs.ts';
import { check, type Judge, sourceOf } from './check.ts';

/** Judges whether MAP_SYNC is possible. Persistence from user space needs it, and volatile memory does not. */
export const mapSyncLink: Judge = ({ dax, mapSync, region, mount, daxDevice }) => {
	if (!dax || daxDevice) return undefined;
	const evidence = [
		{
			value: mapSync.supported ? 'accepted' : (mapSync.error ?? 'not tried'),
			source: `mmap(MAP_SYNC) of ${mapSync.tried ?? 'nothing'}`,
		},
	];
	if (mapSync.supported) return check('MAP_SYNC', 'ok', 'MAP_SYNC is accepted', evidence);
	if (mapSync.supported === undefined) return check('MAP_SYNC', 'unknown', 'MAP_SYNC could not be tried', evidence);
	const knowsIt = mount?.driver === 'ext4' || mount?.fsType === 'xfs';
	const who = !region?.asynchronous
		? knowsIt
			? 'the memory below its device is asynchronous, as virtio-pmem is'
			: `${mount?.fsType} does not know it`
		: region.provider === 'virtio-pmem'
			? 'flushed data are still in the page cache of the host (virtio-pmem)'
			: `${region.name} is asynchronous`;
	return check(
		'MAP_SYNC',
		'warning',
		`MAP_SYNC is refused: ${who}`,
		evidence,
		'volatile memory needs no MAP_SYNC; for persistence use msync or fsync',
	);
};

const domains: Readonly<Record<string, string>> = {
	cpu_cache: 'stores survive a power failure once they are in the processor caches; no flush is needed',
	memory_controller: 'stores survive a power failure once they are flushed from the processor caches',
};

/** Judges how far stores have to come to survive a power failure. */
export const persistenceLink: Judge = ({ region, dax }) => {
	if (!region || !dax) return undefined;
	const { persistenceDomain: domain, provider } = region;
	const source = `persistence_domain of ${region.name}, in /sys/bus/nd/devices`;
	if (domain !== undefined) {
		return check('persistence', 'ok', domains[domain] ?? `the persistence domain is ${domain}`, [
			{ value: domain, source },
		]);
	}
	const evidence = [
		{ value: 'not stated', source },
		{ value: provider ?? 'unknown', source: `provider of the bus of ${region.name}` },
	];
	const finding =
		provider === 'e820'
			? 'the platform states no persistence domain: memory that a memmap= option or the firmware calls persistent may be ordinary memory'
			: 'the platform states no persistence domain';
	return check('persistence', 'unknown', finding, evidence);
};

/** Judges whether the kernel can map by huge pages. */
export const hugePagesLink: Judge = (report) => {
	const { hugePages, dax, file, mount, fileSystem, kernel, device, daxDevice } = report;
	if (!dax || daxDevice) return undefined;
	const { possible, pieces, mappable, extents, obstacles } = hugePages;
	const evidence =
		mappable === undefined
			? [
					{
						value: fileSystem.allocationUnit === 0 ? 'none shown' : `${fileSystem.allocationUnit} bytes`,
						source: 'alignment of large files, by the mount options',
					},
				]
			: [
					{
						value: `${pieces === 0 ? '' : `${mappable} of ${pieces} pieces, `}${extents} extent${extents === 1 ? '' : 's'}`,
						source: 'FS_IOC_FIEMAP',
					},
				];
	if (possible) {
		const finding =
			mappable === undefined || pieces === mappable
				? 'huge pages are possible'
				: `huge pages are possible in ${mappable} of ${pieces} pieces of 2 MiB`;
		return check('huge pages', 'ok', finding, evidence);
	}
	const unit = formatBytes(kernel.hugePageSize);
	if (file.type === 'file' && pieces === 0) {
		return check('huge pages', 'ok', `the file is shorter than a huge page, ${unit}, and does not need one`, evidence);
	}
	const finding = `huge pages are ${possible === undefined ? 'not certain' : 'not possible'}: ${obstacles.join('; ')}`;
	const maker = daxFileSystems(undefined).find((name) => name === mount?.fsType);
	const { allocationUnit } = fileSystem;
	const isMade = allocationUnit > 0 && allocationUnit % kernel.hugePageSize === 0;
	// Below a volume, it is the volume that has to be aligned.
	const isStacked = (device?.layers.length ?? 0) > 1;
	const remedy =
		maker === undefined || isMade || isStacked
			? undefined
			: `make the file system again for huge pages, which destroys its contents: ${mkfsCommand(maker, { device: sourceOf(report), size: device?.size, isTaken: true })}`;
	return check('huge pages', possible === undefined ? 'unknown' : 'warning', finding, evidence, remedy);
};

/** Says what the medium cannot give back any more. There is such a link only if something is bad. */
export const badBlocksLink: Judge = ({ badBlocks, file, device, daxDevice }) => {
	if (badBlocks === undefined || badBlocks.ranges === 0) return undefined;
	const { ranges, bytes, inFile, sources } = badBlocks;
	const name = daxDevice?.path ?? `/dev/${device?.name}`;
	const listed = `${bytes} bytes in ${ranges === 1 ? '1 range' : `${ranges} ranges`}`;
	const evidence = [{ value: `${listed} of ${name}`, source: sources.join(', ') }];
	const path = quoted(file.realPath);
	if (inFile !== undefined && inFile.length === 0) {
		return check('bad blocks', 'ok', `its device ${name} has bad blocks, but none is in this file`, evidence);
	}
	if (inFile !== undefined) {
		const lost = inFile.reduce((sum, { length }) => sum + length, 0);
		const [first] = inFile;
		const more = inFile.length === 1 ? '' : `, and in ${formatCounted(inFile.length - 1, 'other part')}`;
		const finding = `${formatBytes(lost)} of it cannot be read because they are on bad blocks: from byte ${first?.offset} on${more}`;
		const files = {
			value: inFile.map(({ offset, length }) => `${offset}+${length}`).join(' '),
			source: 'FS_IOC_FIEMAP',
		};
		return check('bad blocks', 'warning', finding, [...evidence, files], `daxkind repair ${path}`);
	}
	const finding = `${name} has bad blocks: ${formatBytes(bytes)}`;
	const remedy = daxDevice === undefined ? `see which files are hit: daxkind badblocks ${path}` : undefined;
	return check('bad blocks', 'warning', finding, evidence, remedy);
};
