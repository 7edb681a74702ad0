// Where the kinds are and how large, and what machine this is.
import { statfsSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { PmemKind } from 'daxkind';
import { StepError } from '../steps.mjs';

const chunk = 2 * 2 ** 20;
const usual = 2 ** 30;
/** Of the free room, the share that a kind takes: the file system needs some itself. */
const share = 0.9;

/** The size of the kinds: what was asked for, or 1 GiB, or what fits. */
export function kindSize({ directory, size }) {
	const { bavail, bsize } = statfsSync(directory);
	const fits = Math.floor((bavail * bsize * share) / chunk) * chunk;
	if (size !== undefined && size > fits) throw new StepError(`${directory} has no room for a kind of ${size} bytes`);
	if (fits < 16 * 2 ** 20) throw new StepError(`${directory} has no room for a kind: 16 MiB at least`);
	return Math.ceil((size ?? Math.min(usual, fits)) / chunk) * chunk;
}

/** Whether a kind in the directory is on DAX. */
function probe(directory) {
	try {
		const kind = PmemKind.create(directory, { maxSize: 16 * 2 ** 20 });
		kind.close();
		return kind.dax;
	} catch (error) {
		throw new StepError(`No kind can be made in ${directory}. ${error.message}`);
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
