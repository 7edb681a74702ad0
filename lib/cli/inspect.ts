// `daxkind inspect`: everything that decides whether a path is on DAX, as it was read.
import type { Command } from 'commander';
import type { DaxExplanation, DaxReport } from '../dax/index.ts';
import type { DaxDevice, DeviceHolder } from '../device/index.ts';
import { formatBytesExactly } from '../format.ts';
import { attributesText, inodeFlagsText, xflagsText } from '../mask-words.ts';
import type { Constants } from '../native/constants.ts';
import { memoryText, permissionText } from './devices.ts';
import { answerLine } from './explain.ts';
import { aligned, answer, jsonOption, paint, questionStatus, toJson } from './output.ts';

type Row = readonly [name: string, value: string | undefined];
type Section = readonly [title: string, rows: readonly Row[]];

const unknown = 'not known';
const yesNo = (value: boolean | undefined): string => (value === undefined ? unknown : value ? 'yes' : 'no');
const hex = (value: bigint | number): string => `0x${value.toString(16)}`;

const size = (bytes: number | undefined): string => (bytes === undefined ? unknown : formatBytesExactly(bytes));

function fileRows({ file }: DaxReport, constants: Constants): Row[] {
	const xflags = file.xflags === undefined ? `cannot be read: ${file.xflagsError}` : xflagsText(file.xflags, constants);
	return [
		['path', file.realPath],
		['type', file.type],
		['size', size(file.size)],
		['in the DAX state', file.type === 'directory' ? 'a directory never is' : yesNo(file.dax)],
		['DAX flag', yesNo(file.flag)],
		['xflags', xflags],
		['inode flags', file.inodeFlags === undefined ? undefined : inodeFlagsText(file.inodeFlags, constants)],
		[
			'statx attributes',
			file.refusal === undefined ? attributesText(file.attributes, constants) : `statx is refused: ${file.refusal}`,
		],
		['known attributes', file.refusal === undefined ? attributesText(file.attributesMask, constants) : undefined],
		['extent size hint', file.extentSizeHint === 0 ? undefined : size(file.extentSizeHint)],
		['excludes DAX', file.exclusions.length === 0 ? 'nothing in it' : file.exclusions.join(', ')],
	];
}

function directoryRows({ file, directory, newFile }: DaxReport): Row[] {
	const made = newFile?.error === undefined ? yesNo(newFile?.dax) : `no file can be made: ${newFile.error}`;
	return [
		['path', file.type === 'directory' ? undefined : directory.path],
		['new files get the DAX flag', yesNo(directory.flag)],
		['a new file is on DAX', newFile && made],
	];
}

function mountRows({ mount, mountsError, fileSystem }: DaxReport): Row[] {
	if (!mount) return [['table of mounts', mountsError && `cannot be read: ${mountsError}`]];
	const { fsType, driver } = mount;
	const others = mount.mounts.map(({ mountPoint }) => mountPoint).filter((point) => point !== mount.mountPoint);
	return [
		['mount point', mount.mountPoint],
		['directory mounted', mount.root === '/' ? undefined : mount.root],
		['also mounted at', others.length === 0 ? undefined : others.join(', ')],
		['file system', driver === fsType ? fsType : `${fsType}, by the ${driver} driver`],
		['source', mount.source],
		['mount options', mount.options.join(',')],
		[
			'file system options',
			mount.superOptions.filter((option) => !mount.options.includes(option)).join(',') || undefined,
		],
		['DAX option shown', mount.daxOption ?? 'none'],
		['DAX mode', mount.mode],
		['DAX mode in effect', mount.effectiveMode ?? unknown],
		['block size', size(fileSystem.blockSize || undefined)],
		['large files aligned to', fileSystem.allocationUnit === 0 ? 'not shown' : size(fileSystem.allocationUnit)],
		['DAX window', fsType === 'virtiofs' ? yesNo(fileSystem.daxWindow) : undefined],
		['upper directory', mount.upperDirectory],
	];
}

/** The kind that can use a device's memory, by the device's mode. */
const kindFor: Record<DaxDevice['mode'], string> = {
	devdax: 'DeviceKind',
	'system-ram': 'NodeKind',
	famfs: 'PmemKind, in a directory of the file system on it',
	disabled: 'none, because it has no driver',
	unknown,
};

function daxDeviceRows({ daxDevice: device }: DaxReport, holders: readonly DeviceHolder[]): Row[] {
	if (!device) return [];
	return [
		['name', device.name],
		['mode', device.mode === 'unknown' ? unknown : device.mode],
		['driver', device.driver ?? 'none'],
		['kind that can use it', kindFor[device.mode]],
		['who may map it', permissionText(device)],
		[
			'mapped by',
			holders.map(({ command, pid }) => `${command} (process ${pid})`).join(', ') ||
				'no process that this user can see',
		],
		['namespace', device.namespace],
		['region', device.region],
		['memory found by', device.provider],
		['persistence domain', device.persistenceDomain],
		['nearest NUMA node', device.numaNode === undefined ? unknown : `${device.numaNode}`],
		['NUMA node as system RAM', device.targetNode === undefined ? 'none' : `${device.targetNode}`],
		['memory blocks', device.mode === 'system-ram' ? memoryText(device) : undefined],
		['size', size(device.size)],
		['align', size(device.align)],
	];
}

function deviceRows({ device }: DaxReport): Row[] {
	if (!device) return [];
	const layers = device.layers.map((layer) => `${layer.name} (${layer.type}, DAX: ${yesNo(layer.dax)})`);
	return [
		['name', `/dev/${device.name}`],
		['numbers', `${device.major}:${device.minor}`],
		['size', size(device.size)],
		['DAX', yesNo(device.dax)],
		['partition', device.partition && `${device.partition.number}, from byte ${device.partition.start}`],
		['logical sector', size(device.logicalSector)],
		['physical sector', size(device.physicalSector)],
		['made of', layers.join(', ')],
	];
}

function memoryRows({ namespace, region }: DaxReport): Row[] {
	if (!namespace || !region) return [];
	return [
		['namespace', namespace.name],
		['mode', namespace.mode ?? unknown],
		['size', size(namespace.size)],
		['align', namespace.align === undefined ? undefined : size(namespace.align)],
		['begins at', namespace.start === undefined ? undefined : hex(namespace.start)],
		['region', region.name],
		['provider', region.provider ?? unknown],
		['persistence domain', region.persistenceDomain ?? 'not stated'],
		['asynchronous', yesNo(region.asynchronous)],
		['read-only', yesNo(region.readOnly)],
		['NUMA node', region.numaNode === undefined ? 'none' : `${region.numaNode}`],
	];
}

function badBlockRows({ badBlocks }: DaxReport): Row[] {
	if (badBlocks === undefined) return [];
	const { ranges, bytes, inFile, sources, doubts } = badBlocks;
	if (ranges === 0 && doubts.length > 0 && sources.length === 0) return [];
	const listed = ranges === 0 ? 'none' : `${size(bytes)} in ${ranges === 1 ? '1 range' : `${ranges} ranges`}`;
	const parts = inFile?.map(({ offset, length }) => `${size(length)} at ${offset}`).join(', ');
	return [
		['on the device', listed],
		['in the file', parts === undefined || ranges === 0 ? undefined : parts || 'none'],
		['listed in', sources.join(', ')],
		['not sure', doubts.length === 0 ? undefined : doubts.join('; ')],
	];
}

function kernelRows({ kernel, mapSync, hugePages }: DaxReport): Row[] {
	const refused = mapSync.error === undefined ? '' : `: ${mapSync.error}`;
	const tried = mapSync.tried === undefined ? 'not tried' : `tried on ${mapSync.tried}`;
	const { pieces, mappable, extents, obstacles } = hugePages;
	return [
		['page', size(kernel.pageSize)],
		['huge page', size(kernel.hugePageSize)],
		['per-file DAX', yesNo(kernel.perFileDax)],
		['knows MAP_SYNC', yesNo(kernel.mapSync)],
		['MAP_SYNC accepted', `${yesNo(mapSync.supported)} (${tried}${refused})`],
		['huge pages possible', [yesNo(hugePages.possible), ...obstacles].join('; ')],
		['extents', extents === undefined ? undefined : `${extents}`],
		['mappable by huge pages', pieces ? `${mappable ?? 0} of ${pieces} pieces` : undefined],
	];
}

/** What is shown beside a report. */
interface Extras {
	constants: Constants;
	/** The processes that map the path, if it is a device-DAX node. */
	holders: readonly DeviceHolder[];
}

/** A report for a person. It follows the answer. */
function formatReport(report: DaxReport, explanation: DaxExplanation, { constants, holders }: Extras): string {
	const sections: Section[] = [
		[report.file.type === 'directory' ? 'Directory' : 'File', fileRows(report, constants)],
		['Inheritance', directoryRows(report)],
		['Mount', mountRows(report)],
		['Block device', deviceRows(report)],
		['Device DAX', daxDeviceRows(report, holders)],
		['Persistent memory', memoryRows(report)],
		['Bad blocks', badBlockRows(report)],
		['Kernel', kernelRows(report)],
	];
	const text = sections.flatMap(([title, rows]) => {
		const known = rows.filter((row): row is readonly [string, string] => row[1] !== undefined);
		return known.length === 0 ? [] : [`\n${paint('bold', title)}\n${aligned(known)}`];
	});
	return `${answerLine(explanation)}\n${text.join('')}`;
}

/** Adds the `inspect` subcommand. */
export function addInspectCommand(program: Command): void {
	program
		.command('inspect')
		.description(
			'Shows what the kernel says about a file or directory, its mount with the DAX mode in effect, its block device, the persistent memory behind the device, and what mmap can do with it. It changes nothing and needs no root. It leaves out facts that this user may not read.',
		)
		.argument('<path>', 'a file or directory')
		.option(...jsonOption)
		.addHelpText(
			'after',
			`${questionStatus}

Examples:
  daxkind inspect /mnt/pmem
  daxkind inspect --json /mnt/pmem/table | jq .mount.effectiveMode`,
		)
		.action(async (path: string, { json }: { json?: boolean }) => {
			const [{ explainReport, inspect }, { holdersOf }, { native }] = await Promise.all([
				import('../dax/index.ts'),
				import('../device/index.ts'),
				import('../native.ts'),
			]);
			answer('inspect', () => {
				const report = inspect(path);
				const holders = report.daxDevice === undefined ? [] : holdersOf(report.daxDevice);
				process.stdout.write(
					json ? toJson(report) : formatReport(report, explainReport(report), { constants: native.constants, holders }),
				);
				return report.dax;
			});
		});
}
