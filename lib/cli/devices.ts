// `daxkind devices` and `daxkind regions`: the device-DAX devices of this machine, and the regions that they are parts
// of.
import type { Command } from 'commander';
import type { DaxDevice, DaxRegion } from '../device/index.ts';
import { formatBytes, formatCounted } from '../format.ts';
import { aligned, answer, paint, toJson } from './output.ts';
import { formatTable } from './table.ts';

const unknown = '-';
const bytes = (value: number | undefined): string => (value === undefined ? unknown : formatBytes(value));
const text = (value: number | string | undefined): string => (value === undefined ? unknown : `${value}`);

/** How much of a device's memory is in use as system RAM. */
export function memoryText({ mode, memory }: DaxDevice): string {
	if (mode !== 'system-ram') return unknown;
	if (memory === undefined) return 'root only';
	const zone = memory.zone === undefined ? '' : `, zone ${memory.zone}`;
	return `${memory.online} of ${memory.total} blocks online${zone}`;
}

/** `rw-rw---- root dax`, as ls shows it, with numbers for the owner. */
export function permissionText({ permissions }: DaxDevice): string {
	if (permissions === undefined) return 'no node';
	const { mode, uid, gid } = permissions;
	const letters = [...'rwxrwxrwx'].map((letter, n) => (mode & (0o400 >> n) ? letter : '-')).join('');
	return `${letters} ${uid}:${gid}`;
}

const counted = (devices: readonly DaxDevice[]): string => {
	const counts = new Map<string, number>();
	for (const { mode } of devices) counts.set(mode, (counts.get(mode) ?? 0) + 1);
	const parts = [...counts].map(([mode, count]) => `${count} ${mode}`);
	return `${formatCounted(devices.length, 'device')}: ${parts.join(', ')}`;
};

/** Devices as a table for a person. */
function formatDevices(devices: readonly DaxDevice[]): string {
	if (devices.length === 0) return `${paint('red', 'No device-DAX device')}\n`;
	const head = ['DEVICE', 'MODE', 'SIZE', 'ALIGN', 'NODE', 'FROM', 'REGION', 'ACCESS', 'MEMORY'];
	const rows = devices.map((device) => [
		device.name,
		device.mode,
		bytes(device.size),
		bytes(device.align),
		text(device.targetNode),
		text(device.provider),
		text(device.region),
		permissionText(device),
		memoryText(device),
	]);
	const table = `${paint('green', counted(devices))}\n\n${formatTable(head, rows)}`;
	const hidden = devices.flatMap(({ name, reasons: { memory } }) =>
		memory === undefined ? [] : [[name, memory] as const],
	);
	return hidden.length === 0 ? table : `${table}\nWhat is not shown:\n${aligned(hidden)}`;
}

/** Regions as a table for a person. */
function formatRegions(regions: readonly DaxRegion[]): string {
	if (regions.length === 0) return `${paint('red', 'No region of device DAX')}\n`;
	const head = ['REGION', 'ID', 'FROM', 'SIZE', 'FREE', 'ALIGN', 'NODE', 'DEVICES', 'PERSISTENCE'];
	const rows = regions.map((region) => [
		region.name,
		text(region.id),
		text(region.provider),
		bytes(region.size),
		region.dynamic ? bytes(region.availableSize) : 'static',
		bytes(region.align),
		text(region.targetNode),
		region.devices.length === 0 ? unknown : region.devices.join(' '),
		text(region.persistenceDomain),
	]);
	return `${paint('green', formatCounted(regions.length, 'region'))}\n\n${formatTable(head, rows)}`;
}

/** A device as JSON. Fields that daxctl has, too, have daxctl's names. */
export function deviceJson(device: DaxDevice): Record<string, unknown> {
	const { name, mode, memory, mappings, permissions } = device;
	return {
		chardev: name,
		size: device.size,
		target_node: device.targetNode,
		align: device.align,
		mode,
		...(mode === 'disabled' && { state: 'disabled' }),
		...(mode === 'system-ram' && {
			online_memblocks: memory?.online,
			total_memblocks: memory?.total,
			movable: memory?.movable,
			zone: memory?.zone,
			removable: memory?.removable,
			block_size: memory?.blockSize,
		}),
		mappings: mappings.map(({ pageOffset, start, end, size }) => ({ page_offset: pageOffset, start, end, size })),
		path: device.path,
		permissions: permissions && { ...permissions, mode: `0${permissions.mode.toString(8)}` },
		driver: device.driver,
		start: device.start,
		numa_node: device.numaNode,
		region: device.region,
		provider: device.provider,
		namespace: device.namespace,
		persistence_domain: device.persistenceDomain,
		dynamic: device.dynamic,
		model: device.model,
		reasons: device.reasons,
	};
}

/** A region as JSON. Fields that daxctl has, too, have daxctl's names. */
export const regionJson = (region: DaxRegion): Record<string, unknown> => ({
	path: region.path,
	id: region.id,
	size: region.size,
	available_size: region.availableSize,
	align: region.align,
	devices: region.devices,
	name: region.name,
	provider: region.provider,
	dynamic: region.dynamic,
	numa_node: region.numaNode,
	target_node: region.targetNode,
	persistence_domain: region.persistenceDomain,
	reasons: region.reasons,
});

const statuses = (what: string) => `
Exit status: 0 if there is a ${what}, 1 if not, 2 for wrong usage.`;

/** Adds the `devices` and `regions` subcommands. */
export function addDeviceCommands(program: Command): void {
	program
		.command('devices')
		.description(
			'Lists device-DAX devices (/dev/daxX.Y), which are memory without a file system. In devdax mode programs map it. In system-ram mode it is ordinary memory of a NUMA node. The command reads sysfs alone. It needs root only to say how much of the memory is online.',
		)
		.option('--json', 'print one JSON document, with the names of daxctl list (docs/cli.md)')
		.addHelpText(
			'after',
			`${statuses('device')}

Examples:
  daxkind devices
  daxkind devices --json | jq -r '.[] | select(.mode == "devdax").chardev'`,
		)
		.action(async ({ json = false }: { json?: boolean }) => {
			const { listDevices } = await import('../device/index.ts');
			answer('devices', () => {
				const devices = listDevices();
				process.stdout.write(json ? toJson(devices.map(deviceJson)) : formatDevices(devices));
				return devices.length > 0;
			});
		});
	program
		.command('regions')
		.description(
			'Lists the regions of device DAX: where their memory comes from, how much of it is free, and whether devices can be made in them.',
		)
		.option('--json', 'print one JSON document, with the names of daxctl list (docs/cli.md)')
		.addHelpText(
			'after',
			`${statuses('region')}

Examples:
  daxkind regions
  daxkind regions --json | jq -r '.[] | select(.dynamic).name'`,
		)
		.action(async ({ json = false }: { json?: boolean }) => {
			const { listRegions } = await import('../device/index.ts');
			answer('regions', () => {
				const regions = listRegions();
				process.stdout.write(json ? toJson(regions.map(regionJson)) : formatRegions(regions));
				return regions.length > 0;
			});
		});
}
