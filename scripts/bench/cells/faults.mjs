// The first touch of fresh memory: the number of page faults, and the time.
import { spawnSync } from 'node:child_process';
import { readdirSync, readlinkSync } from 'node:fs';

const page = 4096;
const huge = 2 * 2 ** 20;

const faults = () => process.resourceUsage().minorPageFault;

/** The path of the kind's nameless file. */
function fileOf(directory) {
	return readdirSync('/proc/self/fd')
		.map((fd) => `/proc/${process.pid}/fd/${fd}`)
		.find((path) => {
			try {
				const target = readlinkSync(path);
				return target.startsWith(`${directory}/`) && target.endsWith(' (deleted)');
			} catch {
				return false;
			}
		});
}

/**
 * Which share of the first `bytes` of a file is in 2 MiB chunks that one huge page can map. Undefined where nobody can
 * tell.
 */
function aligned(directory, bytes) {
	const file = fileOf(directory);
	if (file === undefined) return undefined;
	// Unlike filefrag, xfs_io needs no privileges. Its numbers are blocks of 512 bytes.
	const { stdout, status } = spawnSync('xfs_io', ['-r', '-c', 'fiemap', file], { encoding: 'latin1' });
	if (status !== 0) return undefined;
	let chunks = 0;
	for (const [, ...numbers] of stdout.matchAll(/\[(\d+)\.\.(\d+)\]: (\d+)\.\.\d+/g)) {
		const [from, last, physical] = numbers.map((number) => 512 * Number(number));
		const first = Math.ceil(from / huge) * huge;
		const end = Math.floor((last + 512) / huge) * huge;
		if ((physical + first - from) % huge === 0) chunks += Math.max(0, (Math.min(end, bytes) - first) / huge);
	}
	return chunks / (bytes / huge);
}

/** Allocates `live` blocks of `size` bytes and writes a byte into each page of them, in order. */
export function touchAll({ kind, malloc, free }, { directory, size, live }) {
	const blocks = Array.from({ length: live }, () => malloc(size));
	const touch = (block) => {
		for (let i = 0; i < block.length; i += page) block[i] = 1;
	};
	// The code that touches pages has to be compiled before the measurement.
	const practice = Buffer.alloc(page * 16);
	for (let i = 0; i < 20_000; i++) touch(practice);
	const before = faults();
	const from = performance.now();
	for (const block of blocks) touch(block);
	const ms = performance.now() - from;
	const mib = (size * live) / 2 ** 20;
	const result = { faults: (faults() - before) / mib, ms: ms / mib, aligned: aligned(directory, size * live) };
	for (const block of blocks) free(block);
	return { ...result, dax: kind.dax };
}
