// Where the kinds are and how large they are, and what machine this is.
import { statfsSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { DeviceKind, NodeKind, PmemKind } from 'daxkind';
import { StepError } from '../steps.mjs';

const chunk = 2 * 2 ** 20;
const usual = 2 ** 30;
/** The share of the free room that a kind takes. The file system needs the rest. */
const share = 0.9;

/** Opens a kind in the benchmark's place: a directory, `nodes:1,2` or `device:/dev/dax0.0`. */
export function openKind(place, options) {
	const [, sort, where] = /^(nodes|device):(.*)$/.exec(place) ?? [];
	if (sort === 'nodes') return NodeKind.create(where.split(',').map(Number), options);
	if (sort === undefined) return PmemKind.create(place, options);
	const { maxSize, ...rest } = options;
	return DeviceKind.create(where, { ...rest, ...(maxSize !== undefined && { size: maxSize }) });
}

/** Bytes that a kind can have there. */
function roomIn(place) {
	if (/^(nodes|device):/.test(place)) {
		const kind = openKind(place, {});
		kind.close();
		// Others use a node's memory, too.
		return place.startsWith('nodes:') ? kind.capacity / 2 : kind.capacity;
	}
	const { bavail, bsize } = statfsSync(place);
	return bavail * bsize * share;
}

/** The size of the kinds: what a person asked for, or else 1 GiB, or what fits if that is less. */
export function kindSize({ directory, size }) {
	const fits = Math.floor(roomIn(directory) / chunk) * chunk;
	if (size !== undefined && size > fits) throw new StepError(`${directory} has no room for a kind of ${size} bytes`);
	if (fits < 16 * 2 ** 20) throw new StepError(`${directory} has no room for a kind: 16 MiB at least`);
	return Math.ceil((size ?? Math.min(usual, fits)) / chunk) * chunk;
}

/** Whether a kind there is on DAX. Undefined on nodes, where the question makes no sense. */
function probe(place) {
	try {
		const kind = openKind(place, { maxSize: 16 * 2 ** 20 });
		kind.close();
		return kind.dax;
	} catch (error) {
		throw new StepError(`No kind can be made in ${place}. ${error.message}`);
	}
}

export function describeMachine(directory) {
	const dax = probe(directory);
	const processors = cpus();
	return {
		cpu: processors[0]?.model.trim() || process.arch,
		cpus: processors.length,
		node: process.version,
		kernel: release(),
		directory,
		dax,
	};
}
