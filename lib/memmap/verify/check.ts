// The types of a check, which all links of the chain from the kernel's command line to DAX share.
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

/** What was found out about one link of the chain. */
export interface MemmapCheck {
	link: MemmapLink;
	/** The entry that it is about, as `4G!4G`. Undefined for a link that is about all entries. */
	entry: string | undefined;
	/**
	 * `broken`: nothing behind it is looked at. `warning`: there is a limit, or a danger. `unknown`: it could not be
	 * found out.
	 */
	verdict: Exclude<DaxVerdict, 'not reached'>;
	/** A clause: "/dev/pmem0 has no file system". */
	finding: string;
	evidence: DaxEvidence[];
	/** What fixes it, often a command. Absent if there is nothing to fix. */
	remedy?: string;
}

/** What a judge says. The link and the entry are added to it. */
export type Judgement = Omit<MemmapCheck, 'link' | 'entry'>;

export const judged = (
	verdict: MemmapCheck['verdict'],
	finding: string,
	evidence: DaxEvidence[],
	remedy?: string,
): Judgement => ({ verdict, finding, evidence, ...(remedy !== undefined && { remedy }) });

/** A range that is to be persistent memory. */
export type Expected = Pick<MemmapEntry, 'start' | 'end'>;

/** The name of a range, `4G!4G`, however the command line writes it. */
export const nameOf = (expected: Expected): string => memmapEntry(regionOf(expected));
