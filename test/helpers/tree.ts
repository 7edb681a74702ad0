// Directories that look like /sys and /etc of some machine.
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

/**
 * What a machine has, by its paths: the text of a file; `-> path` for a link that is made relative, as those of sysfs
 * are; `=> path` for an absolute link, as people and packages make them.
 */
export type Entries = Record<string, string | Buffer>;

/** Makes the files of a machine below a directory, and returns that directory. */
export function makeTree(root: string, entries: Entries): string {
	for (const [path, content] of Object.entries(entries)) {
		const at = join(root, path);
		mkdirSync(dirname(at), { recursive: true });
		const [, sort, target] = typeof content === 'string' ? (/^([-=])> (.*)/.exec(content) ?? []) : [];
		if (target !== undefined) symlinkSync(sort === '=' ? target : relative(dirname(at), join(root, target)), at);
		else writeFileSync(at, typeof content === 'string' ? `${content}\n` : content);
	}
	return root;
}

const nd = '/sys/devices/LNXSYSTM:00/LNXSYBUS:00/ACPI0012:00/ndbus0';

/** An nvdimm in devdax mode on the bus, as Linux 6.1 shows it. */
export function busDevice(name = 'dax1.0', { region = 'region1', driver = 'device_dax', node = '1' } = {}): Entries {
	const directory = `${nd}/${region}/${name}/${name}`;
	return {
		[`${nd}/provider`]: 'ACPI.NFIT',
		[`${nd}/${region}/persistence_domain`]: 'memory_controller',
		[`${nd}/${region}/numa_node`]: '0',
		[`${nd}/${region}/target_node`]: node,
		[`${nd}/${region}/${name}/namespace`]: `namespace${region.slice(6)}.0`,
		[`${nd}/${region}/${name}/dax_region/id`]: region.slice(6),
		[`${nd}/${region}/${name}/dax_region/size`]: '1054867456',
		[`${nd}/${region}/${name}/dax_region/align`]: '2097152',
		[`${directory}/align`]: '2097152',
		[`${directory}/dev`]: '252:1',
		[`${directory}/modalias`]: 'dax:t0',
		[`${directory}/numa_node`]: '0',
		[`${directory}/resource`]: '0x101200000',
		[`${directory}/size`]: '1054867456',
		[`${directory}/target_node`]: node,
		[`${directory}/mapping0/page_offset`]: '0x0',
		[`${directory}/mapping0/start`]: '0x101200000',
		[`${directory}/mapping0/end`]: '0x13fffffff',
		[`${directory}/subsystem`]: '-> /sys/bus/dax',
		...(driver !== '' && { [`${directory}/driver`]: `-> /sys/bus/dax/drivers/${driver}` }),
		[`/sys/bus/dax/drivers/${driver || 'kmem'}/bind`]: '',
		[`/sys/bus/dax/devices/${name}`]: `-> ${directory}`,
		[`/dev/${name}`]: '',
		'/proc/self/mountinfo': '24 1 8:1 / / rw - ext4 /dev/sda1 rw',
	};
}

/** The same device in the class, as Linux 5.10 with the module dax_pmem_compat shows it. */
export function classDevice(name = 'dax0.0'): Entries {
	const owner = `${nd}/region0/${name}`;
	const directory = `${owner}/dax/${name}`;
	return {
		[`${nd}/provider`]: 'ACPI.NFIT',
		[`${nd}/region0/persistence_domain`]: 'memory_controller',
		[`${owner}/namespace`]: 'namespace0.0',
		[`${owner}/dax_region/id`]: '0',
		[`${owner}/dax_region/size`]: '1054867456',
		[`${owner}/dax_region/align`]: '2097152',
		[`${directory}/align`]: '2097152',
		[`${directory}/dev`]: '252:0',
		[`${directory}/modalias`]: 'dax:t0',
		[`${directory}/numa_node`]: '0',
		[`${directory}/resource`]: '0x41200000',
		[`${directory}/size`]: '1054867456',
		[`${directory}/target_node`]: '0',
		[`${directory}/subsystem`]: '-> /sys/class/dax',
		[`${directory}/device`]: `-> ${owner}`,
		[`/sys/class/dax/${name}`]: `-> ${directory}`,
		'/sys/module/dax_pmem_compat/refcnt': '1',
		'/sys/bus/dax/drivers/device_dax/bind': '',
		[`/dev/${name}`]: '',
	};
}

/** Soft Reserved memory: a dynamic region. */
export function hmemDevice(name = 'dax0.0'): Entries {
	const owner = '/sys/devices/platform/hmem.0';
	const directory = `${owner}/${name}`;
	return {
		[`${owner}/dax_region/id`]: '0',
		[`${owner}/dax_region/size`]: '1073741824',
		[`${owner}/dax_region/align`]: '2097152',
		[`${owner}/dax_region/available_size`]: '536870912',
		[`${owner}/dax_region/create`]: '',
		[`${owner}/dax_region/seed`]: 'dax0.1',
		[`${directory}/align`]: '2097152',
		[`${directory}/dev`]: '252:4',
		[`${directory}/numa_node`]: '0',
		[`${directory}/resource`]: '0x100000000',
		[`${directory}/size`]: '536870912',
		[`${directory}/target_node`]: '1',
		[`${directory}/subsystem`]: '-> /sys/bus/dax',
		[`${directory}/driver`]: '-> /sys/bus/dax/drivers/device_dax',
		'/sys/bus/dax/drivers/device_dax/bind': '',
		[`/sys/bus/dax/devices/${name}`]: `-> ${directory}`,
		[`/dev/${name}`]: '',
	};
}

/** Memory blocks of 128 MiB, by their numbers. */
export function memoryBlocks(blocks: Record<number, { state: string; zones: string; removable?: string }>): Entries {
	const entries: Entries = { '/sys/devices/system/memory/block_size_bytes': '8000000' };
	for (const [number, { state, zones, removable = '1' }] of Object.entries(blocks)) {
		const at = `/sys/devices/system/memory/memory${number}`;
		entries[`${at}/phys_index`] = Number(number).toString(16).padStart(8, '0');
		entries[`${at}/state`] = state;
		entries[`${at}/valid_zones`] = zones;
		entries[`${at}/removable`] = removable;
	}
	return entries;
}
