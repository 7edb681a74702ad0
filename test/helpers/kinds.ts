// Kinds that are closed after the test that made them. They are of the sort that the run is for, because what the tests
// say of kinds holds for every sort.
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DeviceKind, FixedKind, type Kind, mapFile, NodeKind, PmemKind, type PmemKindOptions } from 'daxkind';
import { getDevice } from 'daxkind/device';
import { afterEach } from 'vitest';
import { devdax } from './guest.ts';

/** The sort of this run: `pmem`, or what vitest.config.ts says. */
export const sort = (process.env.DAXKIND_TEST_SORT ?? 'pmem') as 'pmem' | 'node' | 'fixed' | 'device';

/**
 * Whether the storage of these kinds comes and goes. Other kinds have all their storage from the start until the end.
 */
export const isElastic = sort === 'pmem' || sort === 'node';

const open: PmemKind[] = [];
const defaultSize = 64 * 2 ** 20;

function makeFixed(
	directory: string,
	{ maxSize = defaultSize, debug, onPressure, pressureThreshold }: PmemKindOptions,
) {
	const path = join(mkdtempSync(join(directory, 'fixed-')), 'file');
	writeFileSync(path, '');
	truncateSync(path, maxSize);
	const mapping = mapFile(path);
	rmSync(path);
	const options = { debug, onPressure, pressureThreshold };
	const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
	return FixedKind.create(mapping, given);
}

/** The parts of the device that kinds have now. Several kinds share the device. */
let taken: { offset: number; end: number; kind: Kind }[] = [];

function makeDevice({ maxSize = defaultSize, policy: _, ...options }: PmemKindOptions) {
	const { align = 1, size: all = 0 } = getDevice(devdax);
	const size = Math.ceil(maxSize / align) * align;
	let offset = 0;
	taken = taken.filter(({ kind }) => !kind.closed).sort((one, other) => one.offset - other.offset);
	for (const part of taken) {
		if (offset + size <= part.offset) break;
		offset = part.end;
	}
	if (offset + size > all) throw new Error(`${devdax} has no room for another kind of ${size} bytes`);
	const kind = DeviceKind.create(devdax, { offset, size, ...options } as object);
	taken.push({ offset, end: offset + size, kind });
	return kind;
}

function make(directory: string | URL, options: PmemKindOptions): Kind {
	switch (sort) {
		case 'node': {
			const { policy: _, ...rest } = options;
			return NodeKind.create(0, { maxSize: defaultSize, ...rest });
		}
		case 'fixed':
			return makeFixed(`${directory}`, options);
		case 'device':
			return makeDevice(options);
		default:
			return PmemKind.create(directory, options);
	}
}

/** Makes a kind in a directory, or one of the run's sort. Its type is PmemKind, because most runs use that. */
export function create(directory: string | URL, options: PmemKindOptions = {}): PmemKind {
	const kind = make(directory, options) as PmemKind;
	open.push(kind);
	return kind;
}

/** Closes all kinds after each test. A file that uses `create` calls this once. */
export function closeAfterEach(): void {
	afterEach(() => {
		for (const kind of open.splice(0)) kind.close();
	});
}
