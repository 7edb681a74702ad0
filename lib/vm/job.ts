// Writes the shell script that tells the guest what to do in one run: the devices to prepare, and the command with its
// environment, arguments and directory, byte for byte.

import type { Environment } from '../process-bytes.ts';
import type { Architecture } from './architecture.ts';
import type { Feature } from './feature.ts';
import { makeCommand, type PmemDevice } from './filesystem.ts';
import type { OtherMemory } from './layout.ts';
import { ownSets } from './modules.ts';

/** One run in the guest. */
export interface Job {
	/** Marks the end of the command's stdout and stderr; see TrailerFilter. */
	trailer: string;
	devices: readonly PmemDevice[];
	/** Memory devices beside `devices`. */
	plugged: OtherMemory;
	/** The kernel's name of the provider of the regions of `devices`. Default: `e820`. */
	pmemProvider?: string;
	/** The guest's architecture. Default: x64. */
	arch?: Architecture;
	/** How many directories of the host are shared. Their tags are virtiofs0, virtiofs1… */
	shares: number;
	command: readonly (string | Buffer)[];
	directory: string | Buffer;
	environment: Environment;
	/** Whether stdout and stderr are one stream, in the order of the command's writes. */
	mergeOutput: boolean;
	/** The command gets a terminal of this size, in characters, instead of pipes. */
	terminal?: { rows: number; columns: number };
	/**
	 * The directory whose lib/modules/<release> the guest sees as its own. Absent with a kernel that has everything
	 * built in.
	 */
	modules?: { directory: string; release: string };
	/** The directory that is copied into an erofs. Absent: a small sample. */
	erofsSource?: string | Buffer;
	/**
	 * Absolute paths of programs in the guest, by name: the mkfs of each file system, env and setsid. The guest finds
	 * others in its PATH.
	 */
	programs: ReadonlyMap<string, string>;
}

/** The last line of a job. The guest reads up to it. */
export const jobEnd = '#end of job';

/** Where the guest makes the sample tree for an erofs without a source of its own. */
const erofsSample = '/run/daxkind/erofs';

/**
 * Quotes bytes for a POSIX shell.
 *
 * @example shellQuote("it's") // 'it'\''s'
 */
export function shellQuote(text: string | Buffer): Buffer {
	const parts: Buffer[] = [Buffer.from("'")];
	for (const byte of Buffer.from(text as Buffer)) parts.push(byte === 0x27 ? quotedQuote : singleBytes[byte]!);
	parts.push(parts[0]!);
	return Buffer.concat(parts);
}

const quotedQuote = Buffer.from("'\\''");
const singleBytes = Array.from({ length: 256 }, (_, byte) => Buffer.of(byte));

/** The only word that is not quoted: the device that a prepare function gets. Only the guest knows it. */
const theDevice = Buffer.from('"$1"');

function words(...list: (string | Buffer)[]): Buffer {
	return Buffer.concat(
		list.flatMap((word, n) => [Buffer.from(n === 0 ? '' : ' '), word === theDevice ? word : shellQuote(word)]),
	);
}

/**
 * One variable with the first of a list, and one with all of it. Both are undefined for an empty list, so that the
 * variables of an outer VM do not come through.
 */
const listVariables = (name: string, list: readonly string[], plural = `${name}S`) => ({
	[name]: list[0],
	[plural]: list.length > 0 ? list.join(':') : undefined,
});

/** The guest's mount points of the shared directories. */
export const sharePoints = (shares: number): string[] => Array.from({ length: shares }, (_, n) => `/mnt/virtiofs${n}`);

const mountPoints = (devices: readonly PmemDevice[]) => devices.flatMap(({ mount }) => (mount ? [mount.point] : []));

/**
 * The devices that the guest finds and names (see init.ts): their number, the shell variable with their names, and the
 * command's variables.
 */
const deviceLists = ({ devices, plugged }: Pick<Job, 'devices' | 'plugged'>) => {
	const { nvdimm = [], virtioPmem = [], devdax = [], hmem = [], cxl = [] } = plugged;
	return [
		{ count: devices.length, found: 'pmems', variable: 'DAXKIND_PMEM' },
		{ count: nvdimm.length, found: 'nvdimms', variable: 'DAXKIND_NVDIMM', feature: 'nvdimm' },
		{ count: virtioPmem.length, found: 'virtio_pmems', variable: 'DAXKIND_VIRTIO_PMEM', feature: 'virtio-pmem' },
		{ count: devdax.length, found: 'devdaxes', variable: 'DAXKIND_DEVDAX', feature: 'devdax' },
		{ count: hmem.length, found: 'hmems', variable: 'DAXKIND_HMEM', feature: 'hmem' },
		{ count: cxl.length, found: 'cxls', variable: 'DAXKIND_CXL', feature: 'cxl' },
	] as const;
};

/** The features that a run with these devices needs. */
export function wantedFeatures(job: Pick<Job, 'arch' | 'devices' | 'plugged' | 'shares'>): Feature[] {
	const plugged = deviceLists(job).flatMap((list) => (list.count > 0 && 'feature' in list ? [list.feature] : []));
	return [
		...job.devices.map(({ fileSystem }) => fileSystem),
		...plugged,
		...(job.shares > 0 ? ['virtiofs' as const] : []),
		...(job.arch === 'arm64' ? ['arm64' as const] : []),
	];
}

/** Shell commands, joined by &&, that make and mount the file system on the device $1. */
function makeAndMount(job: Job, { fileSystem, mount }: PmemDevice, reflink: boolean): Buffer {
	if (!mount || fileSystem === 'none') return Buffer.from('true');
	const [name, ...make] = makeCommand(fileSystem, theDevice, { reflink, source: job.erofsSource ?? erofsSample });
	return Buffer.concat([
		Buffer.from('run '),
		words(job.programs.get(name) ?? name, ...make),
		Buffer.from(' && run mount '),
		words('-t', fileSystem, '-o', mount.options, theDevice, mount.point),
		Buffer.from(` && check_dax ${fileSystem} ${mount.mode} "$1" ${mount.point}`),
	]);
}

function prepare(job: Job, device: PmemDevice): (string | Buffer)[] {
	const lines: (string | Buffer)[] = [];
	if (device.fileSystem === 'erofs' && job.erofsSource === undefined) {
		lines.push(`make_sample ${erofsSample} || return`);
	}
	if (device.fileSystem === 'xfs' && device.mount?.mode === 'always') {
		// Some kernels say "DAX and reflink cannot be used together!". That is an error only if it fails without
		// reflink, too.
		lines.push(
			Buffer.concat([Buffer.from('first=$('), makeAndMount(job, device, true), Buffer.from(') && return')]),
			`umount ${device.mount.point} 2>/dev/null`,
			'echo "$first"',
		);
	}
	return [...lines, makeAndMount(job, device, device.fileSystem !== 'xfs' || device.mount?.mode !== 'always')];
}

/** The script of a job. */
export function jobScript(job: Job): Buffer {
	const lists = deviceLists(job);
	const environment: Environment = {
		...job.environment,
		DAXKIND_VM: '1',
		...listVariables('DAXKIND_MOUNT', mountPoints(job.devices)),
		...listVariables('DAXKIND_VIRTIOFS', sharePoints(job.shares), 'DAXKIND_VIRTIOFS_MOUNTS'),
		...Object.assign({}, ...lists.map(({ variable }) => listVariables(variable, []))),
	};
	const variables = Object.entries(environment).flatMap(([name, value]) =>
		// env(1) cannot set a variable without a name. A name with a NUL or "=" cannot exist.
		value === undefined || name === '' || name.includes('=')
			? []
			: [Buffer.concat([Buffer.from(`${name}=`), Buffer.from(value as Buffer)])],
	);
	const lines: (string | Buffer)[] = [
		`trailer=${job.trailer}`,
		`sets='${ownSets(wantedFeatures(job)).join(' ')}'`,
		`userland=${job.arch === 'arm64' ? 1 : ''}`,
		`pmem_provider=${job.pmemProvider ?? 'e820'}`,
		// A terminal has only one output stream.
		`merge=${job.mergeOutput || job.terminal ? 1 : ''}`,
		...(job.terminal ? ['terminal=1', `rows=${job.terminal.rows}`, `columns=${job.terminal.columns}`] : ['terminal=']),
		Buffer.concat([Buffer.from('script='), shellQuote(job.programs.get('script') ?? '/usr/bin/script')]),
		`mounts='${mountPoints(job.devices).join(' ')}'`,
		`shares='${sharePoints(job.shares).join(' ')}'`,
		Buffer.concat([Buffer.from('modules='), shellQuote(job.modules?.directory ?? '')]),
		Buffer.concat([Buffer.from('release='), shellQuote(job.modules?.release ?? '')]),
		Buffer.concat([Buffer.from('directory='), shellQuote(job.directory)]),
		`devices='${job.devices.map((_, n) => n).join(' ')}'`,
		...lists.map(({ count, found }) => `${found}=${count}`),
		Buffer.concat([Buffer.from('ndctl='), shellQuote(job.programs.get('ndctl') ?? 'ndctl')]),
	];
	job.devices.forEach((device, n) => {
		lines.push(`prepare_${n}() {`, ...prepare(job, device), '}');
	});
	// The shell's own exec of a bare name would run busybox's applet of that name instead of the caller's program.
	const env = [job.programs.get('env') ?? '/usr/bin/env', '-i'];
	// On a terminal the command leads a session already. A new session would have no terminal.
	const start = job.terminal ? env : [job.programs.get('setsid') ?? '/usr/bin/setsid', ...env];
	const found = lists
		.filter(({ count }) => count > 0)
		.map((list) => ` "${list.variable}=\${${list.found}%%:*}" "${list.variable}S=$${list.found}" `);
	lines.push(
		'start_command() {',
		Buffer.concat([
			Buffer.from('exec '),
			words(...start),
			Buffer.from(`${found.join('')} `),
			words(...variables, ...job.command),
		]),
		'}',
		jobEnd,
		'',
	);
	return Buffer.concat(
		lines.flatMap((line, n) => (n === 0 ? [Buffer.from(line)] : [Buffer.from('\n'), Buffer.from(line)])),
	);
}

/** The script of a probe: the guest only says that it lives. */
export const probeScript = (): Buffer => Buffer.from(`probe=1\n${jobEnd}\n`);
