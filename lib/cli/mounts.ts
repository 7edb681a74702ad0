// `daxkind mounts`: the mounts that have DAX, or could have it.
import type { Command } from 'commander';
import type { DaxExplanation, DaxMount } from '../dax/index.ts';
import { formatBytes } from '../format.ts';
import { aligned, answer, jsonOption, paint, toJson } from './output.ts';
import { formatTable } from './table.ts';

/** Whether a mount has DAX: by its mode, or as an overlay over a mount that has DAX. */
const hasDax = ({ effectiveMode, newFiles: dax }: DaxMount): boolean =>
	dax === true || effectiveMode === 'always' || effectiveMode === 'inode';

/** Whether a mount has DAX. Undefined where neither its mode nor a file made in it tells. */
function isKnownToHaveDax(mount: DaxMount): boolean | undefined {
	const { fsType, mode, effectiveMode, newFiles: dax, newFilesError } = mount;
	if (hasDax(mount)) return true;
	// In mode inode, a file without the flag tells nothing about other files.
	if (effectiveMode === undefined) return mode === 'always' && dax === false ? false : undefined;
	return fsType === 'overlay' && dax === undefined && newFilesError === undefined ? undefined : false;
}

/** Whether at least one mount has DAX. Undefined where that is not known. */
function anyHasDax(mounts: readonly DaxMount[]): boolean | undefined {
	const known = mounts.map(isKnownToHaveDax);
	return known.includes(true) || (known.includes(undefined) ? undefined : false);
}

const notKnown = 'not known';

function newFiles({ newFiles: dax, newFilesError }: DaxMount): string {
	if (dax === undefined) return newFilesError === undefined ? notKnown : 'cannot be made';
	return dax ? 'yes' : 'no';
}

/** The number of ranges and their bytes, as in `2 (8 KiB)`. */
function badBlocksText({ badBlocks }: DaxMount): string {
	if (badBlocks === undefined) return notKnown;
	return badBlocks.ranges === 0 ? '-' : `${badBlocks.ranges} (${formatBytes(badBlocks.bytes)})`;
}

/** Mounts as a table for a person. */
export function formatMounts(
	mounts: readonly DaxMount[],
	explain: (path: string) => DaxExplanation,
	all: boolean,
): string {
	const having = mounts.filter(hasDax);
	const count = having.length === 1 ? '1 mount has DAX' : `${having.length} mounts have DAX`;
	const none =
		anyHasDax(mounts) === undefined
			? paint('yellow', 'It is not known whether a mount has DAX')
			: paint('red', 'No mount has DAX') + (all ? '' : '\n(daxkind mounts --all says why)');
	const first = having.length === 0 ? none : paint('green', count);
	if (mounts.length === 0) return `${first}\n`;
	const hasBad = mounts.some(({ badBlocks }) => (badBlocks?.ranges ?? 0) > 0);
	const rows = mounts.map((mount) => {
		const { mountPoint, fsType, device, source, daxOption = '-', effectiveMode = notKnown } = mount;
		const row = [mountPoint, fsType, device ?? source, daxOption, effectiveMode, newFiles(mount)];
		return hasBad ? [...row, badBlocksText(mount)] : row;
	});
	const head = ['MOUNT POINT', 'TYPE', 'DEVICE', 'SHOWN', 'MODE', 'NEW FILES ON DAX'];
	const listed = `${first}\n\n${formatTable(hasBad ? [...head, 'BAD BLOCKS'] : head, rows)}`;
	if (anyHasDax(mounts) === undefined) {
		const open = mounts.filter((mount) => isKnownToHaveDax(mount) === undefined);
		const reasons = open.map(({ mountPoint }): [name: string, value: string] => {
			const { checks, reason = 'the kernel does not say why' } = explain(mountPoint);
			return [mountPoint, checks.find(({ verdict }) => verdict === 'unknown')?.finding ?? reason];
		});
		return `${listed}\nWhy it is not known:\n${aligned(reasons)}`;
	}
	const reasons = (all ? mounts : []).flatMap(({ mountPoint }): [name: string, value: string][] => {
		const { reason } = explain(mountPoint);
		return reason === undefined ? [] : [[mountPoint, reason]];
	});
	return reasons.length === 0 ? listed : `${listed}\nWhy new files are not on DAX:\n${aligned(reasons)}`;
}

/** Adds the `mounts` subcommand. */
export function addMountsCommand(program: Command): void {
	program
		.command('mounts')
		.description(
			'Lists the mounts where files can be on DAX, with the mode in effect: always (all files), inode (files with the DAX flag), never, or unsupported (the device or the file system cannot do it). ext4 and XFS show no option for inode, their default.',
		)
		.option(
			'-a, --all',
			'list also mounts where DAX is off although the file system has it, and say why new files are not on DAX',
		)
		.option(...jsonOption)
		.addHelpText(
			'after',
			`
Exit status: 0 if a mount has DAX, 1 if no mount has it, 2 for wrong usage
  and if the answer is not known (no /proc, no /sys…).

Examples:
  daxkind mounts --all
  daxkind mounts --json | jq -r '.[] | select(.newFiles).mountPoint'`,
		)
		.action(async ({ all = false, json = false }: { all?: boolean; json?: boolean }) => {
			const { explain, findDaxMounts } = await import('../dax/index.ts');
			answer('mounts', () => {
				const mounts = findDaxMounts({ all });
				process.stdout.write(json ? toJson(mounts) : formatMounts(mounts, explain, all));
				return anyHasDax(mounts);
			});
		});
}
