// The options of a VM: checks them, and plans one run from them.
import { statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { requireBoolean, requireOneOf } from '../arguments.ts';
import { daxkindError, invalidArgType, invalidArgValue, outOfRange } from '../errors.ts';
import { type Environment, processDirectory } from '../process-bytes.ts';
import { parseSize, type Size } from '../size.ts';
import { type Architecture, architectures } from './architecture.ts';
import { asDaxMode, asFileSystem, type DaxMode, type FileSystem, type PmemDevice, planDevices } from './filesystem.ts';
import { type FirmwareType, firmwareTypes } from './firmware.ts';
import type { Terminal } from './guest.ts';
import { sharePoints, wantedFeatures } from './job.ts';
import { checkAppend } from './kernel-arguments.ts';
import { MAX_NODES, type MachineType, machineTypes, planArm64Layout, planLayout } from './layout.ts';
import { acceleratorChoices } from './qemu.ts';

/** What the VM is, and how long it may run. The command line has an option for each of these. */
export interface MachineOptions {
	/**
	 * The guest's processor, as `process.arch` names it. `arm64` is emulated (TCG). Its kernel and its programs are
	 * downloaded once; the programs are laid over /usr of this machine. `command` has to be a program for arm64. Only
	 * the devices of `pmem` and the directories of `virtiofs` are possible there. Default: `x64`.
	 */
	arch?: Architecture;
	/** Sizes of the emulated pmem devices, multiples of 2 MiB. `[]`: no device. Default: one of 512 MiB. */
	pmem?: readonly Size[];
	/** File systems of the devices, in the devices' order. The last one repeats. Default: ext4. */
	fs?: readonly FileSystem[];
	/** DAX modes of the mounts, in the devices' order. The last one repeats. Default: always. */
	mount?: readonly DaxMode[];
	/** Sizes of further devices: NFIT nvdimms, multiples of 16 MiB, each with a label area. Default: none. */
	nvdimm?: readonly Size[];
	/**
	 * Files of this machine that hold the contents of the nvdimms, in their order. A file that does not exist is made. A
	 * guest finds in it what the guest before it has stored, also if that one was killed. Default: no nvdimm outlives
	 * its guest.
	 */
	nvdimmFile?: readonly string[];
	/** Sizes of further devices: virtio-pmem, multiples of 16 MiB. Default: none. */
	virtioPmem?: readonly Size[];
	/**
	 * Sizes of nvdimms that are device-DAX devices, multiples of 16 MiB. Each is on a NUMA node of its own. Default:
	 * none.
	 */
	devdax?: readonly Size[];
	/**
	 * Whether a store to an nvdimm survives a power failure once it is in the processor's caches (eADR). Default: only
	 * once it has reached the memory controller (ADR).
	 */
	eadr?: boolean;
	/**
	 * Sizes of ranges of Soft Reserved memory, multiples of 128 MiB. Each is on a NUMA node of its own. They become
	 * device-DAX devices of dax_hmem, in dynamic regions. Default: none.
	 */
	hmem?: readonly Size[];
	/** The size of a CXL type 3 device, a multiple of 256 MiB. It becomes a device-DAX device. Default: none. */
	cxl?: Size;
	/**
	 * Directories of the host that the guest mounts at /mnt/virtiofs0, /mnt/virtiofs1… virtiofsd shares them, and it
	 * may need root. What the guest writes there is written on the host, unlike everything else that it writes.
	 * Default: none.
	 */
	virtiofs?: readonly string[];
	/** Memory that the guest can use beside the pmem, at least 512 MiB. Default: 4 GiB. */
	memory?: Size;
	/** Virtual processors, 1 to 64. Default: 2. */
	cpus?: number;
	/**
	 * The number of NUMA nodes, 1 to 8. They share the processors evenly, and the memory in multiples of 128 MiB. All
	 * of `pmem` is on one of them. The nodes of `devdax` and `hmem` come after these. Default: 1.
	 */
	nodes?: number;
	/**
	 * QEMU's machine type. `pc` has at most 3 GiB of memory below 4 GiB, and `q35` 2 GiB. The rest begins at 4 GiB.
	 * Default: `q35` with `cxl`, otherwise `pc`.
	 */
	machine?: MachineType;
	/** What starts the kernel. `uefi` is OVMF, and needs a bzImage with the EFI stub. Default: `bios`. */
	firmware?: FirmwareType;
	/**
	 * More arguments for the kernel, after the VM's own. The guest leaves the devices that a `memmap=` here makes as
	 * they are. A `memmap=` is refused beside `pmem` (so give `[]`) and `hmem`, because the VM makes those in the same
	 * way. The kernel's command line has 2048 bytes in all. Default: none.
	 */
	append?: string;
	/** A kernel of the user's own, a bzImage. Default: the distribution's, downloaded once. */
	kernel?: string;
	/** The modules of that kernel: a tree with lib/modules/<release>, or that directory itself. */
	modules?: string;
	/** A directory that is copied into an erofs. Default: a small sample. */
	erofsSource?: string;
	/** Seconds after which the guest is killed. Default: 900; with `terminal`, no limit. */
	timeout?: number;
	/** `auto` is KVM where a probe boot has proved that it works, otherwise TCG. Default: `auto`. */
	accelerator?: (typeof acceleratorChoices)[number];
}

/** Options of `runVm`. */
export interface VmOptions extends MachineOptions {
	/** The program to run, and its arguments. The program is found in the PATH of `env`. */
	command: readonly (string | Buffer)[];
	/** The command's environment. DAXKIND_* variables are added. Default: this process's environment. */
	env?: Environment;
	/** The command's directory. Default: this process's directory. */
	cwd?: string | Buffer;
	/** The command's stdin. Default: empty. */
	stdin?: Readable | undefined;
	/** Gets the command's stdout. Default: the output is dropped. */
	stdout?: Writable | undefined;
	/** Gets the command's stderr. Default: the output is dropped. */
	stderr?: Writable | undefined;
	/** Whether the command's stderr goes to `stdout`, too, in the order of its writes. Default: false. */
	mergeOutput?: boolean;
	/**
	 * Gives the command a terminal instead of pipes, as `ssh -t` and `docker run -t` do. It has the size of this one,
	 * and follows its changes. `stdin` is what is typed, raw. `stdout` gets what the terminal shows, stderr included.
	 * Default: no terminal.
	 */
	terminal?: Terminal;
	/** Called when the guest has booted and the command starts. */
	onStart?: () => void;
	/** Gets the guest's console, with all messages of the kernel. */
	console?: Writable | undefined;
	/** Ends the guest. */
	signal?: AbortSignal | undefined;
	/** Called with what is going on, for a person who waits: `downloading the kernel`, `booting (TCG)`. */
	onProgress?: (what: string) => void;
	/**
	 * Called with what a person should know about a run that looks normal: for example, that the kernel killed a
	 * process because memory had run out.
	 */
	onWarning?: (what: string) => void;
}

const DEFAULT_TIMEOUT_S = 900;
/** The machine has PCI slots for this many virtiofs devices beside as many virtio-pmem devices. */
const MAX_SHARES = 8;
const MAX_CPUS = 64;
/** The longest time that setTimeout accepts. */
const MAX_TIMEOUT_S = Math.floor((2 ** 31 - 1) / 1000);
/** The guest has its own of these, and cannot see the host's. */
const guestOwn = /^\/(?:dev|proc|run|sys)(?:\/|$)/;

const invalidTime = (value: unknown) => outOfRange('timeout', `> 0 and <= ${MAX_TIMEOUT_S} seconds`, value);

function checkDirectory(directory: string | Buffer, devices: readonly PmemDevice[], shares: number): void {
	const text = directory.toString();
	const points = [...devices.flatMap(({ mount }) => mount?.point ?? []), ...sharePoints(shares)];
	const hidden = points.some((point) => `${text}/`.startsWith(`${point}/`));
	if (guestOwn.test(text) || hidden) {
		throw daxkindError('ERR_DAXKIND_VM_DIRECTORY', `the guest has its own ${text}; start in another directory`);
	}
}

/** Kernel: struct winsize has 16 bits for rows and for columns. */
const MAX_CHARACTERS = 2 ** 16 - 1;

function checkTerminal(terminal: Terminal): void {
	for (const name of ['columns', 'rows'] as const) {
		const value = terminal[name];
		if (Number.isInteger(value) && value > 0 && value <= MAX_CHARACTERS) continue;
		throw outOfRange(`terminal.${name}`, `an integer from 1 to ${MAX_CHARACTERS}`, value);
	}
}

function existingDirectory(name: string, path: string): string {
	if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw invalidArgValue(name, 'a directory', path);
	return resolve(path);
}

/** The file of an nvdimm. QEMU makes it if it is not there, and maps it. */
function nvdimmFile(path: string): string {
	if (typeof path !== 'string' || path === '') throw invalidArgValue('nvdimmFile', 'the path of a file', path);
	const found = statSync(path, { throwIfNoEntry: false });
	if (found !== undefined && !found.isFile()) throw invalidArgValue('nvdimmFile', 'a file, or a new one', path);
	existingDirectory('nvdimmFile', dirname(resolve(path)));
	return resolve(path);
}

/** Options that only an x86-64 guest has. */
const onlyX64 = [
	'nvdimm',
	'nvdimmFile',
	'virtioPmem',
	'devdax',
	'hmem',
	'cxl',
	'eadr',
	'nodes',
	'machine',
	'firmware',
] as const;

/** @throws ERR_INVALID_ARG_VALUE */
function checkArchitecture(options: VmOptions): Architecture {
	const { arch = 'x64', accelerator } = options;
	if (requireOneOf('arch', arch, architectures) === 'x64') return arch;
	for (const name of onlyX64) {
		const value = options[name];
		if (value === undefined || (Array.isArray(value) && value.length === 0)) continue;
		throw invalidArgValue(name, 'left out for an arm64 guest, which has only the devices of pmem and virtiofs', value);
	}
	if (accelerator === 'kvm') {
		throw invalidArgValue(
			'accelerator',
			'tcg or auto for an arm64 guest, because this machine has to emulate it',
			accelerator,
		);
	}
	return arch;
}

/** A run, planned. */
export type Plan = ReturnType<typeof planRun>;

/**
 * Checks the options and fills in their defaults.
 *
 * @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE, ERR_DAXKIND_VM_DIRECTORY
 */
export function planRun(options: VmOptions) {
	if (!Array.isArray(options.command) || options.command.length === 0) {
		throw invalidArgType('options.command', 'a non-empty array of strings', options.command);
	}
	const arch = checkArchitecture(options);
	const {
		cpus = 2,
		nodes = 1,
		timeout = options.terminal ? MAX_TIMEOUT_S : DEFAULT_TIMEOUT_S,
		accelerator = 'auto',
		firmware = 'bios',
	} = options;
	const { machine = options.cxl === undefined ? 'pc' : 'q35' } = options;
	if (!Number.isInteger(cpus) || cpus < 1 || cpus > MAX_CPUS)
		throw outOfRange('cpus', `an integer from 1 to ${MAX_CPUS}`, cpus);
	if (!Number.isInteger(nodes) || nodes < 1 || nodes > MAX_NODES)
		throw outOfRange('nodes', `an integer from 1 to ${MAX_NODES}`, nodes);
	requireOneOf('machine', machine, machineTypes);
	if (options.cxl !== undefined && machine !== 'q35')
		throw invalidArgValue('machine', 'q35 together with cxl', machine);
	requireOneOf('firmware', firmware, firmwareTypes);
	if (typeof timeout !== 'number' || !(timeout > 0 && timeout <= MAX_TIMEOUT_S)) throw invalidTime(timeout);
	requireOneOf('accelerator', accelerator, acceleratorChoices);
	if (options.modules !== undefined && options.kernel === undefined) {
		throw invalidArgValue('modules', 'given together with kernel', options.modules);
	}
	const orDefault = <T>(list: readonly T[] | undefined, fallback: T) => (list?.length ? list : [fallback]);
	if (options.pmem?.length === 0) {
		for (const name of ['fs', 'mount'] as const) {
			if (options[name]?.length) throw invalidArgValue(name, 'left out where there are no pmem devices', options[name]);
		}
	}
	const devices = planDevices(
		(options.pmem ?? ['512M']).map((size) => parseSize(size, 'pmem')),
		orDefault<FileSystem>(options.fs, 'ext4').map((name) => asFileSystem(name)),
		orDefault<DaxMode>(options.mount, 'always').map((mode) => asDaxMode(mode)),
	);
	const sizes = (list: readonly Size[] = [], name: string) => list.map((size) => parseSize(size, name));
	const plugged = {
		nvdimm: sizes(options.nvdimm, 'nvdimm'),
		virtioPmem: sizes(options.virtioPmem, 'virtioPmem'),
		devdax: sizes(options.devdax, 'devdax'),
		hmem: sizes(options.hmem, 'hmem'),
		cxl: sizes(options.cxl === undefined ? [] : [options.cxl], 'cxl'),
	};
	const nvdimmFiles = (options.nvdimmFile ?? []).map((path) => nvdimmFile(path));
	if (nvdimmFiles.length > plugged.nvdimm.length) {
		throw invalidArgValue('nvdimmFile', 'given at most once for each nvdimm', nvdimmFiles.at(-1));
	}
	const { eadr = false } = options;
	requireBoolean('options.eadr', eadr);
	if (eadr && plugged.nvdimm.length + plugged.devdax.length === 0) {
		throw invalidArgValue('eadr', 'given together with nvdimm or devdax', eadr);
	}
	const pmem = devices.map(({ size }) => size);
	const memory = parseSize(options.memory ?? '4G', 'memory');
	const layout =
		arch === 'arm64' ? planArm64Layout(memory, pmem) : planLayout(memory, pmem, plugged, { machine, nodes });
	const { append, terminal } = options;
	if (terminal !== undefined) checkTerminal(terminal);
	if (append !== undefined) checkAppend(append, layout);
	const directory = options.cwd ?? processDirectory();
	const shared = (options.virtiofs ?? []).map((path) => existingDirectory('virtiofs', path));
	if (shared.length > MAX_SHARES) throw outOfRange('virtiofs', `at most ${MAX_SHARES} directories`, shared.length);
	checkDirectory(directory, devices, shared.length);
	const erofsSource =
		options.erofsSource === undefined ? undefined : existingDirectory('erofsSource', options.erofsSource);
	return {
		arch,
		...(erofsSource !== undefined && { erofsSource }),
		cpus,
		timeout,
		accelerator,
		devices,
		plugged,
		nvdimmFiles,
		layout,
		eadr,
		directory,
		shared,
		firmwareType: firmware,
		...(terminal && { terminal: { rows: terminal.rows, columns: terminal.columns } }),
		...(append !== undefined && { append }),
		features: [
			...wantedFeatures({ arch, devices, plugged, shares: shared.length }),
			...(firmware === 'uefi' ? ['uefi' as const] : []),
			...(terminal ? ['terminal' as const] : []),
		],
	};
}
