// What a check of the chain from the kernel's command line to DAX says: the type that all links share.
import type { DaxEvidence, DaxVerdict } from '../../dax/index.ts';
import type { MemmapEntry } from '../boot-arguments.ts';
import { memmapEntry, regionOf } from '../regions.ts';

/** The links of the chain, in their order. */
export const links = [
	'command line',
	'memory',
	'range',
	'KASLR',
	'driver',
	'region',
	'namespace',
	'device',
	'alignment',
	'file system',
	'mount',
	'DAX',
] as const;
export type MemmapLink = (typeof links)[number];

/** What one link of the chain was found to be. */
export interface MemmapCheck {
	link: MemmapLink;
	/** The entry that it is about, as `4G!4G`; undefined for a link of all. */
	entry: string | undefined;
	/** `broken`: nothing behind it is looked at; `warning`: a limit, or a danger; `unknown`: it could not be found out. */
	verdict: Exclude<DaxVerdict, 'not reached'>;
	/** A clause: "/dev/pmem0 has no file system". */
	finding: string;
	evidence: DaxEvidence[];
	/** What fixes it, often a command; absent if there is nothing to fix. */
	remedy?: string;
}

/** What a judge says; the link and the entry are added to it. */
export type Judgement = Omit<MemmapCheck, 'link' | 'entry'>;

export const judged = (
	verdict: MemmapCheck['verdict'],
	finding: string,
	evidence: DaxEvidence[],
	remedy?: string,
): Judgement => ({ verdict, finding, evidence, ...(remedy !== undefined && { remedy }) });

/** A range that is to be persistent memory. */
export type Expected = Pick<MemmapEntry, 'start' | 'end'>;

/** `4G!4G`, however it is written elsewhere. */
export const nameOf = (expected: Expected): string => memmapEntry(regionOf(expected));
