// Finds out what makes a store persistent: libpmem2's granularity, for the device that the mapping is on, and why.
import { dirname } from 'node:path';
import { type DaxEvidence, explain } from '../dax/index.ts';
import { refusal } from '../errors.ts';
import { native } from '../native.ts';
import { machine } from '../tree.ts';

/**
 * The smallest unit in which stores become persistent, as in libpmem2:
 * - `page`: msync makes them persistent.
 * - `cache-line`: a flush of the processor's cache does.
 * - `byte`: the caches themselves survive a power failure (eADR), so a fence is enough.
 */
export type PmemGranularity = 'page' | 'cache-line' | 'byte';

/** From the coarsest to the finest. */
export const granularities: readonly PmemGranularity[] = ['page', 'cache-line', 'byte'];

/** Why a mapping has its granularity. */
export interface PmemGranularityReason {
	/** A clause: "the persistence domain of its device ends at the memory controller". */
	reason: string;
	/** What was read, and where. */
	evidence: readonly DaxEvidence[];
	/** What gives a finer granularity. Absent if nothing is known to help. */
	remedy?: string;
}

/** What has been found out about a mapping. */
export interface Granularity {
	granularity: PmemGranularity;
	/** Asked for when somebody wants to know, because it can take a millisecond. */
	why: () => PmemGranularityReason;
}

/** libpmem2's variable, and its values. */
const forcing = 'PMEM2_FORCE_GRANULARITY';
const forcedValues: ReadonlyMap<string, PmemGranularity> = new Map([
	['BYTE', 'byte'],
	['CACHE_LINE', 'cache-line'],
	['CACHELINE', 'cache-line'],
	['PAGE', 'page'],
]);

/** What a device's region says of its persistence domain. */
interface Domain {
	value: string | undefined;
	source: string;
}

/** The domain of the nvdimm region that a device belongs to. */
function domainOf(directory: string): Domain {
	// The region is an ancestor in sysfs: …/ndbus0/region0/namespace0.0/block/pmem0. Of the directories on the way, it
	// alone has this attribute, or `mappings`, which is older.
	for (let at = directory; at.startsWith('/sys/devices/'); at = dirname(at)) {
		const source = `${at}/persistence_domain`;
		const { value } = machine.read(source);
		if (value !== undefined || machine.read(`${at}/mappings`).value !== undefined) return { value, source };
	}
	return { value: undefined, source: `${directory}: it belongs to no nvdimm region` };
}

/** The domains of all devices that a block device consists of. */
function domainsOf(path: string): Domain[] {
	const directory = machine.resolve(path);
	if (directory === undefined) return [{ value: undefined, source: path }];
	// A partition has no devices below it.
	const below = machine.list(`${directory}/slaves`);
	return below.length > 0 ? below.flatMap((name) => domainsOf(`${directory}/slaves/${name}`)) : [domainOf(directory)];
}

const evidenceOf = (domains: Domain[]): DaxEvidence[] =>
	domains.map(({ value, source }) => ({ value: value ?? 'not stated', source }));

/** The granularity of memory that a flush of the cache reaches: libpmem2 answers for the machine, this for the devices. */
function ofDomains(domains: Domain[]): Granularity {
	const evidence = evidenceOf(domains);
	if (domains.every(({ value }) => value === 'cpu_cache')) {
		const reason = 'the caches of the processor survive a power failure (the persistence domain is cpu_cache)';
		return { granularity: 'byte', why: () => ({ reason, evidence }) };
	}
	const worst = domains.find(({ value }) => value === undefined) ?? domains.find(({ value }) => value !== 'cpu_cache')!;
	const reason =
		worst.value === undefined
			? 'the platform states no persistence domain, so the caches of the processor do not count as persistent'
			: `the caches of the processor do not survive a power failure (the persistence domain is ${worst.value})`;
	return { granularity: 'cache-line', why: () => ({ reason, evidence }) };
}

/** The granularity that the environment demands, as of libpmem2's programs. Other values are ignored. */
function forced(): Granularity | undefined {
	const value = process.env[forcing];
	const granularity = forcedValues.get(value?.toUpperCase() ?? '');
	if (value === undefined || granularity === undefined) return undefined;
	const reason = 'the environment says so, whatever the device is';
	return { granularity, why: () => ({ reason, evidence: [{ value, source: forcing }] }) };
}

const noFlush: PmemGranularityReason = {
	reason: 'daxkind knows no instruction of this processor that flushes its caches',
	evidence: [{ value: process.arch, source: 'process.arch' }],
};

/** Of memory whose stores never reach a file: there is nothing to flush. */
export const privateGranularity = (reason: string): Granularity => ({
	granularity: 'byte',
	why: () => ({ reason, evidence: [] }),
});

/** Of a shared mapping of a file without MAP_SYNC. */
function pageGranularity(path: string | undefined, isDeclined: boolean): Granularity {
	return {
		granularity: 'page',
		why: () => {
			if (isDeclined) {
				const evidence = [{ value: 'false', source: 'options.sync' }];
				return { reason: 'the mapping was made without MAP_SYNC', evidence, remedy: 'leave options.sync away' };
			}
			const evidence = [{ value: 'ENOTSUP', source: 'mmap(MAP_SHARED_VALIDATE | MAP_SYNC)' }];
			if (path === undefined) return { reason: 'the file cannot be mapped with MAP_SYNC', evidence };
			const { mapSyncRefusal, remedy } = explain(path);
			const reason = mapSyncRefusal ?? 'the kernel does not say why';
			return { reason: `MAP_SYNC is refused: ${reason}`, evidence, ...(remedy !== undefined && { remedy }) };
		},
	};
}

/** A shared mapping of a file, as it was made. */
export interface SharedFile {
	sync: boolean;
	/** Whether the caller declined MAP_SYNC. */
	isDeclined: boolean;
	path: string | undefined;
	deviceMajor: number;
	deviceMinor: number;
}

/**
 * The granularity of a shared mapping of a file, decided as in libpmem2: `page` without MAP_SYNC, or if the processor's
 * flush instruction is not known. Else `byte` if the caches of all devices below the file are persistent, and
 * `cache-line` if not. A region that does not say, such as one of memmap=, counts as not.
 */
export function fileGranularity({ sync, isDeclined, path, deviceMajor, deviceMinor }: SharedFile): Granularity {
	const given = forced();
	if (given) return given;
	if (!sync) return pageGranularity(path, isDeclined);
	if (native.flushInstructions.length === 0) return { granularity: 'page', why: () => noFlush };
	return ofDomains(domainsOf(`/sys/dev/block/${deviceMajor}:${deviceMinor}`));
}

/**
 * The granularity of a device-DAX device. It is never `page`, because such a device has no msync.
 *
 * @param directory The device in sysfs. Empty if sysfs does not show it.
 */
export function deviceGranularity(directory = ''): Granularity {
	const given = forced();
	if (given && given.granularity !== 'page') return given;
	return ofDomains([domainOf(directory)]);
}

/** Throws ERR_DAXKIND_GRANULARITY if a mapping's granularity is coarser than what the caller accepts. */
export function requireGranularity(
	{ granularity, why }: Granularity,
	coarsest: PmemGranularity | undefined,
	name: string,
): void {
	if (coarsest === undefined || granularities.indexOf(granularity) >= granularities.indexOf(coarsest)) return;
	const { reason, remedy } = why();
	const finding = `The granularity of ${name} is ${granularity}, and options.granularity accepts nothing coarser than ${coarsest}: ${reason}`;
	throw Object.assign(refusal('ERR_DAXKIND_GRANULARITY', name, finding, remedy), { granularity });
}
