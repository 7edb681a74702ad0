// NUMA nodes: which ones exist, which have memory, and how far they are (Documentation/ABI/stable/sysfs-devices-node).
import { listDevices } from '../device/index.ts';
import { noSysfs, refusal } from '../errors.ts';
import { readAttribute } from '../sysfs.ts';

const directory = '/sys/devices/system/node';

/** The numbers of a list as the kernel writes it: '0-3,8'. Parts of another form are left out. */
function parseList(text: string | undefined): number[] {
	return (text ?? '').split(',').flatMap((part) => {
		const [, first, last = first] = /^\s*(\d+)(?:-(\d+))?\s*$/.exec(part) ?? [];
		if (first === undefined) return [];
		const length = Number(last) - Number(first) + 1;
		// No kernel has more than 1,024 nodes.
		return length > 0 && length <= 1024 ? Array.from({ length }, (_, n) => Number(first) + n) : [];
	});
}

/**
 * The distance from one node to another. A node's distance to itself is 10. undefined where the kernel does not say.
 */
function distance(from: number, to: number): number | undefined {
	const value = readAttribute(`${directory}/node${from}/distance`);
	// The attribute has one number for each node that is online, in the order of their numbers.
	const at = parseList(readAttribute(`${directory}/online`)).indexOf(to);
	const found = Number(value?.split(/\s+/)[at]);
	return Number.isInteger(found) ? found : undefined;
}

/**
 * The nodes to which device-DAX devices in system-ram mode have given their memory, the nearest first.
 *
 * @param from The node from which distance counts.
 * @param nearest Only the nearest node, or several that are equally near.
 * @throws Error ERR_DAXKIND_NO_KMEM if no such node has memory online; ERR_DAXKIND_NO_NODE if this process may use none
 *   of them; ERR_DAXKIND_NO_SYSFS.
 */
export function kmemNodes(from: number, nearest: boolean): number[] {
	const withMemory = readAttribute(`${directory}/has_memory`);
	if (withMemory === undefined) {
		throw noSysfs(directory, 'The NUMA nodes cannot be read in sysfs');
	}
	const hasMemory = new Set(parseList(withMemory));
	const devices = listDevices();
	const targets = devices.flatMap(({ mode, targetNode }) => (mode === 'system-ram' ? (targetNode ?? []) : []));
	const far = (node: number) => distance(from, node) ?? Number.MAX_SAFE_INTEGER;
	const nodes = [...new Set(targets)].filter((node) => hasMemory.has(node)).sort((a, b) => far(a) - far(b) || a - b);
	if (nodes.length === 0) {
		const [first] = devices;
		const what =
			targets.length > 0
				? `The memory of the devices in system-ram mode is offline`
				: `No device-DAX device is in system-ram mode`;
		const remedy =
			targets.length > 0
				? `daxkind online-memory ${devices.find(({ mode }) => mode === 'system-ram')!.name}`
				: first === undefined
					? 'there is no device; make one from an nvdimm: ndctl create-namespace --mode=devdax'
					: `daxkind reconfigure-device --mode=system-ram ${first.name}`;
		throw refusal('ERR_DAXKIND_NO_KMEM', '/sys/bus/dax/devices', what, remedy);
	}
	const allowed = allowedNodes();
	const usable = nodes.filter((node) => allowed === undefined || allowed.includes(node));
	// This throws, and says why no node can be used.
	if (usable.length === 0) requireNodes(nodes);
	return nearest ? usable.filter((node) => far(node) === far(usable[0]!)) : usable;
}

/** The nodes from which this process may have memory (cpuset.mems). undefined where that cannot be seen. */
function allowedNodes(): number[] | undefined {
	const status = readAttribute('/proc/self/status') ?? '';
	const list = /^Mems_allowed_list:\s*(.*)$/m.exec(status)?.[1];
	return list === undefined ? undefined : parseList(list);
}

/**
 * Checks that the nodes exist, have memory, and may give it to this process.
 *
 * @throws Error ERR_DAXKIND_NO_NODE.
 */
export function requireNodes(nodes: readonly number[]): void {
	const online = readAttribute(`${directory}/online`);
	// Without sysfs, mbind says which nodes do not exist.
	if (online === undefined) return;
	const hasMemory = parseList(readAttribute(`${directory}/has_memory`));
	const allowed = allowedNodes();
	for (const node of nodes) {
		const path = `${directory}/node${node}`;
		const those = `name nodes that have memory: ${hasMemory.join(', ')}`;
		if (!hasMemory.includes(node)) {
			const what = parseList(online).includes(node)
				? `NUMA node ${node} has no memory`
				: `There is no NUMA node ${node}, or it has no memory online`;
			throw refusal('ERR_DAXKIND_NO_NODE', path, what, those);
		}
		if (allowed !== undefined && !allowed.includes(node)) {
			const what = `This process may not use memory of NUMA node ${node}: its cpuset allows ${allowed.join(', ')}`;
			throw refusal(
				'ERR_DAXKIND_NO_NODE',
				path,
				what,
				'add the node to cpuset.mems of the control group of this process',
			);
		}
	}
}
