// Says in words what a repair did to a page, by what native code reports and what is on the kernel's list afterwards.
import { type ByteRange, intersection } from '../byte-ranges.ts';
import { systemError } from '../errors.ts';
import { quoted } from '../format.ts';
import type { RepairedPages } from '../native/media.ts';
import { type BadBlockList, readDeviceList } from './device-list.ts';
import type { RepairItem, RepairOutcome, RepairRequest } from './repair-plan.ts';
import type { RepairedPart } from './repair-report.ts';

/** What can still be done if the medium cannot be cleared. */
const cannotClear = (item: RepairItem) =>
	item.isDevice
		? 'replace the nvdimm, or have its firmware clear the block: ndctl clear-errors'
		: `repair it through the device, which is the only way before Linux 5.19: daxkind repair ${item.device.path}. If that fails too, put the file aside (daxkind repair ${quoted(item.path)} --method quarantine), and replace the nvdimm`;

/** Whether the device's list still has a part. */
function isListed(device: BadBlockList, part: ByteRange): boolean {
	const { ranges } = readDeviceList('block', device.major, device.minor);
	return ranges.some((range) => intersection(range, part) !== undefined);
}

export function outcomeOf(
	item: RepairItem,
	pages: RepairedPages,
	deviceOffset: number,
	{ zeros }: RepairRequest,
): RepairOutcome {
	const { offset, length, outcome, lost, isMoved, errno, syscall } = pages;
	const error = errno === 0 ? undefined : systemError(errno, syscall, item.path);
	const content =
		outcome === 'unwritten'
			? 'nothing'
			: outcome !== 'rewritten'
				? undefined
				: lost > 0
					? 'zeros'
					: zeros && item.backup === undefined
						? 'zeros'
						: 'backup';
	const base = { path: item.path, offset, length, deviceOffset, content, lost, error } as const;
	if (outcome === 'uncleared') {
		return {
			...base,
			outcome: 'uncleared',
			finding: `the medium does not accept the write (${error?.code}). Nothing was punched or deleted, because the next owner of these blocks would get the error`,
			remedy: cannotClear(item),
		};
	}
	if (outcome === 'refused') {
		return {
			...base,
			outcome: 'failed',
			finding: 'it became bad after the first look, and no content was given for it',
			remedy: 'run it again',
		};
	}
	if (outcome !== 'healthy' && outcome !== 'rewritten' && outcome !== 'unwritten') {
		return outcome === 'beyond-end'
			? {
					...base,
					outcome: 'skipped',
					finding: 'it is behind the end of the file, so it has no data',
					remedy: undefined,
				}
			: { ...base, outcome: 'failed', finding: error?.message ?? 'it failed', remedy: undefined };
	}
	const listed = isListed(item.device, { offset: deviceOffset, length });
	if (outcome === 'healthy') {
		return {
			...base,
			outcome: 'healthy',
			finding: listed
				? 'it can be read, although its block is listed; it was left alone'
				: 'its block is not listed any more; it was left alone',
			remedy: undefined,
		};
	}
	if (listed || isMoved) {
		return {
			...base,
			outcome: 'moved',
			finding: listed
				? 'it can be read, and is on other blocks now; the old ones are still bad, in free space or in a file that shared them'
				: 'it can be read, and is on other blocks now; the old ones are off the list',
			remedy: undefined,
		};
	}
	return { ...base, outcome: 'repaired', finding: 'it can be read, and its block is off the list', remedy: undefined };
}

/** Splits what native code has merged, so that each part is in one place on the device. */
export function placedPages(
	item: RepairItem,
	pages: readonly RepairedPages[],
): { pages: RepairedPages; deviceOffset: number }[] {
	return pages.flatMap((one) =>
		item.parts.flatMap((part) => {
			const both = intersection(one, part);
			if (both === undefined) return [];
			const lost = Math.round((one.lost * both.length) / one.length);
			return [{ pages: { ...one, ...both, lost }, deviceOffset: part.deviceOffset + both.offset - part.offset }];
		}),
	);
}

/** Why a file was not quarantined, by the error of native code, and what helps. */
export const quarantineFailures: Readonly<Record<string, [finding: string, remedy: string]>> = {
	ESTALE: ['somebody has changed it during the copy', 'stop the programs that write to it, and run it again'],
	EREMOTEIO: [
		'the space that the file system gave for the copy has bad blocks, too',
		'copy the file to another device, and keep this one as it is',
	],
	EMLINK: [
		'it has other names, and they would still lead to the bad file',
		'remove the other names, and link them to the new file',
	],
	ENOSPC: ['there is no room for a copy', 'make room, or copy it to another device'],
};

/** The part, with `isDone` added: whether nothing is left to do about it. */
export const judgedPart = (part: RepairOutcome): RepairedPart => {
	const { outcome, remedy } = part;
	const isDone =
		['repaired', 'moved', 'quarantined', 'healthy'].includes(outcome) ||
		(outcome === 'skipped' && remedy === undefined);
	return { ...part, isDone };
};
