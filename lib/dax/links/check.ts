// What a check of the chain says: the type that all links share.
import { quoted } from '../../format.ts';
import type { DaxReport } from '../report.ts';

/** The links of the chain, in their order: what is under a file comes before the file. */
export const links = [
	'path',
	'file system',
	'namespace',
	'device',
	'partition',
	'block size',
	'mount',
	'file contents',
	'flag',
	'state',
	'MAP_SYNC',
	'persistence',
	'huge pages',
	'bad blocks',
] as const;
export type DaxLink = (typeof links)[number];

/**
 * `broken`: the link keeps DAX off. `not reached`: the link would keep DAX off, but a broken link before it decides.
 * `warning`: the DAX is there, but has a limit. `unknown`: it could not be found out.
 */
export type DaxVerdict = 'ok' | 'broken' | 'not reached' | 'warning' | 'unknown';

/** A value, and where it was read. */
export interface DaxEvidence {
	value: string;
	source: string;
}

/** What was found out about one link of the chain. */
export interface DaxCheck {
	link: DaxLink;
	verdict: DaxVerdict;
	/** A clause: "the block device /dev/loop0 cannot do DAX". */
	finding: string;
	evidence: DaxEvidence[];
	/** What fixes it: a command or an option. Absent if there is nothing to fix, or nothing is known to help. */
	remedy?: string;
}

/** Judges one link of a report; undefined where the path has no such link. */
export type Judge = (report: DaxReport, brokenBefore: boolean) => DaxCheck | undefined;

export const check = (
	link: DaxLink,
	verdict: DaxVerdict,
	finding: string,
	evidence: DaxEvidence[],
	remedy?: string,
): DaxCheck => ({
	link,
	verdict,
	finding,
	evidence,
	...(remedy !== undefined && { remedy }),
});

/**
 * The device of the file system, for a command. It has the name that it was mounted by, unless that is not a node in
 * /dev, or the kernel only calls it the root. Then it has the kernel's name.
 */
export function sourceOf({ mount, device }: DaxReport): string {
	const source = mount?.source ?? '';
	const isNode = source.startsWith('/dev/') && source !== '/dev/root';
	return quoted(device === undefined || isNode ? source : `/dev/${device.name}`);
}

/**
 * The option that puts all files on DAX. Kernels before 5.8 take only the plain word, and for ext2 and ext3 all kernels
 * do. So the plain word is what is said, unless the kernel is seen to be newer.
 */
export function alwaysOption({ kernel }: Pick<DaxReport, 'kernel'>, fsType?: string): string {
	return kernel.perFileDax !== true || fsType === 'ext2' || fsType === 'ext3' ? 'dax' : 'dax=always';
}

/** What helps where a medium or a file system has no DAX. */
export const elsewhere = (report: DaxReport): string =>
	`use a directory of an ext4 or XFS file system on a persistent-memory device, mounted with -o ${alwaysOption(report)}`;

/** What helps where a sandbox refuses a call. */
export const allowed = (call: string): string =>
	`have the sandbox allow ${call}; in a container, use a newer container runtime or a seccomp profile that allows it (docker run --security-opt seccomp=PROFILE)`;

/** Whether the call itself is refused with this code, whatever it asks for. */
export const isRefusal = (code: string | undefined): boolean => code === 'EPERM' || code === 'ENOSYS';
