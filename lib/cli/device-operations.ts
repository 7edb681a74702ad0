// `daxkind reconfigure-device`, `online-memory` and the other operations on device-DAX devices, named after daxctl's
// verbs.
import { type Command, Option } from 'commander';
import type {
	DaxDevice,
	DaxRegion,
	DeviceChange,
	DeviceMemoryChange,
	DeviceModelMigration,
	DeviceProgress,
	DeviceReconfiguration,
} from '../device/index.ts';
import { formatBytes, formatCounted, shown } from '../format.ts';
import { deviceJson, regionJson } from './devices.ts';
import { interruptible } from './interrupt.ts';
import { complain, complainOf, jsonOption, sentence, toJson } from './output.ts';
import { progress } from './progress.ts';
import { sizeOption, usageStatus } from './usage.ts';

const stepWords: Record<DeviceProgress['step'], string> = {
	driver: 'changing its driver',
	online: 'memory blocks online',
	offline: 'memory blocks offline',
};

/** Replaces the library's name of the option `force` with the command line's. */
const ofCommandLine = (line: string): string => line.replace(/^(Fix: .*)\buse force\b/, '$1use --force');

/** Prints what is wrong, and returns the exit status for it. */
const failed = (command: string, error: unknown): number =>
	complainOf(`daxkind ${command}`, error, ofCommandLine) ? usageStatus : 1;

/** How much of a device's memory is online, and where, in words. */
function memoryWords({ memory, targetNode }: DaxDevice): string {
	if (memory === undefined) return '';
	const node = targetNode === undefined ? '' : ` of NUMA node ${targetNode}`;
	const zone = memory.zone === undefined ? '' : `, in zone ${memory.zone}`;
	return `: ${memory.online} of ${memory.total} memory blocks${node} online${zone}`;
}

/** The present state of a device, for a person who has interrupted a change of it. Empty where `name` is a region. */
async function stateWords(name: string): Promise<string> {
	const { listDevices } = await import('../device/index.ts');
	const device = listDevices().find((one) => one.name === name || one.path === name);
	return device === undefined ? '' : `, which is in ${device.mode} mode${memoryWords(device)}`;
}

interface Work<Result> {
	command: string;
	json: boolean;
	/** One line about what happened to the device. */
	say(device: string, result: Result): string;
	toJson(result: Result): unknown;
	run(device: string, signal: AbortSignal, onProgress: (at: DeviceProgress) => void): Promise<Result>;
}

/** Does the work with each device, and prints what happened to each. It goes on after a device that fails. */
async function each<Result>(devices: readonly string[], work: Work<Result>): Promise<void> {
	const line = await progress(true);
	const records: unknown[] = [];
	await interruptible(async (signal) => {
		for (const device of devices) {
			try {
				const onProgress = ({ step, done, total }: DeviceProgress) =>
					line.show(`${device}: ${stepWords[step]}${step === 'driver' ? '' : `, ${done} of ${total}`}`);
				const result = await work.run(device, signal, onProgress);
				line.clear();
				if (work.json) records.push(work.toJson(result));
				else process.stdout.write(`${sentence(work.say(device, result))}\n`);
			} catch (error) {
				line.clear();
				if (signal.aborted && error === signal.reason) {
					complain(`daxkind ${work.command}`, `interrupted at ${device}${await stateWords(device)}`);
					break;
				}
				process.exitCode = failed(work.command, error);
				if (signal.aborted) break;
			}
		}
	});
	if (work.json) process.stdout.write(toJson(records));
}

const changeJson = ({ changed, device }: DeviceMemoryChange | DeviceChange) => ({ changed, ...deviceJson(device) });

const statuses = `
Exit status: 0 if it is done, now or before, 1 if something stood in the way
  (standard error says what, and what fixes it), 2 for wrong usage, 130 after
  Ctrl-C.`;

const deviceArgument = ['<device...>', 'dax0.0, or /dev/dax0.0'] as const;

interface ReconfigureFlags {
	mode: 'devdax' | 'system-ram';
	online: boolean;
	movable: boolean;
	force?: boolean;
	persist?: boolean;
	json?: boolean;
}

function addReconfigure(program: Command): void {
	program
		.command('reconfigure-device')
		.description(
			'Moves a device-DAX device to devdax mode, where programs map it, or to system-ram mode, where its memory is ordinary memory of a NUMA node. It looks first, and changes nothing if anything stands in the way. The content of the device stays, in both directions. Needs root.',
		)
		.argument(...deviceArgument)
		.addOption(new Option('-m, --mode <mode>', 'the mode').choices(['devdax', 'system-ram']).makeOptionMandatory())
		.option('-N, --no-online', 'system-ram: leave its memory offline')
		.option('--no-movable', 'system-ram: bring it online in zone Normal; it may never go offline again')
		.option(
			'-f, --force',
			'devdax: take its memory offline first; system-ram: keep the kernel from bringing it online by itself meanwhile',
		)
		.option('--persist', 'set the mode at each boot, too, by a udev rule and a unit of systemd')
		.option('--no-persist', 'undo --persist: stop setting the mode at each boot')
		.option(...jsonOption)
		.addHelpText(
			'after',
			`${statuses}

Examples:
  daxkind reconfigure-device --mode=system-ram dax0.0
  daxkind reconfigure-device --mode=devdax --force dax0.0`,
		)
		.action(async (devices: string[], { mode, json = false, persist, ...flags }: ReconfigureFlags) => {
			const { reconfigureDeviceAsync } = await import('../device/index.ts');
			await each<DeviceReconfiguration>(devices, {
				command: 'reconfigure-device',
				json,
				run: (device, signal, onProgress) =>
					reconfigureDeviceAsync(device, mode, {
						...flags,
						...(persist !== undefined && { persist }),
						signal,
						onProgress,
					}),
				say: (_, { changed, device, boot }) =>
					`${device.name} is in ${device.mode} mode${changed ? '' : ' already; nothing was done'}${memoryWords(device)}. After a reboot: ${boot.mode === 'unknown' ? 'not known' : boot.mode}, because ${boot.reason}`,
				toJson: (result) => ({ before: result.before, boot: result.boot, ...changeJson(result) }),
			});
		});
}

/** Adds online-memory or offline-memory. */
function addMemory(program: Command, way: 'online' | 'offline', description: string): void {
	const command = program
		.command(`${way}-memory`)
		.description(`${description} Needs root.`)
		.argument(...deviceArgument);
	if (way === 'online') {
		command.option('--no-movable', 'bring it online in zone Normal; it may never go offline again');
	}
	command
		.option(...jsonOption)
		.addHelpText('after', `${statuses}\n\nExample: daxkind ${way}-memory dax0.0`)
		.action(async (devices: string[], { movable = true, json = false }: { movable?: boolean; json?: boolean }) => {
			const { offlineMemoryAsync, onlineMemoryAsync } = await import('../device/index.ts');
			await each<DeviceMemoryChange>(devices, {
				command: `${way}-memory`,
				json,
				run: (device, signal, onProgress) =>
					way === 'online'
						? onlineMemoryAsync(device, { movable, signal, onProgress })
						: offlineMemoryAsync(device, { signal, onProgress }),
				say: (_, { changed, device }) => {
					const done = way === 'online' ? 'brought online' : 'taken offline';
					const what = changed === 0 ? 'nothing to do' : `${formatCounted(changed, 'memory block')} ${done}`;
					return `${device.name}: ${what}${memoryWords(device)}`;
				},
				toJson: changeJson,
			});
		});
}

/** What happened in a migration, for a person. */
function formatMigration(
	{ changed, dryRun, path, model, initramfs, next }: DeviceModelMigration,
	undo: boolean,
): string {
	const would = dryRun ? 'would be ' : 'was ';
	const first = changed
		? `${path} ${would}${undo ? 'removed' : 'written'}`
		: undo
			? 'Nothing to undo: there is no policy'
			: `Nothing to do: ${path} keeps the old module out already`;
	const images = initramfs.map(({ path: image, hasModule, hasPolicy }) => {
		if (hasPolicy) return `${image} still has the policy in it`;
		return hasModule
			? `${image} has the old module in it`
			: `${image} cannot be read; it may have the old module in it`;
	});
	const lines = [first, `Device model: ${model.model}; ${model.reason}`, ...images].map(sentence);
	// A command is not broken into lines, so that a person can copy it.
	return [...lines, ...next.map((command) => `Next: ${shown(command)}`)].map((line) => `${line}\n`).join('');
}

interface MigrateFlags {
	undo?: boolean;
	dryRun?: boolean;
	root?: string;
	json?: boolean;
}

function addMigrate(program: Command): void {
	program
		.command('migrate-device-model')
		.description(
			'Writes a policy for modprobe that keeps the module dax_pmem_compat out, and puts dax_pmem in its place. The devices of dax_pmem_compat are in the class /sys/class/dax and can only be mapped. Kernels from 5.17 on do not have that module. The policy takes effect when modules are loaded the next time. A policy that daxctl migrate-device-model installed is recognised. Needs root.',
		)
		.option('--undo', 'remove the policy, if it is the one that this command wrote')
		.option('--dry-run', 'change nothing, and say what would be changed')
		.option('--root <dir>', 'the directory where the image of another machine is mounted')
		.option(...jsonOption)
		.addHelpText(
			'after',
			`
Exit status: 0 if it is done, now or before, 1 if something stood in the way,
  2 for wrong usage.

Examples:
  daxkind migrate-device-model --dry-run
  daxkind migrate-device-model --root /mnt/image`,
		)
		.action(async ({ undo = false, dryRun = false, root, json = false }: MigrateFlags) => {
			const { migrateDeviceModel } = await import('../device/index.ts');
			try {
				const migration = migrateDeviceModel({ undo, dryRun, ...(root !== undefined && { root }) });
				process.stdout.write(json ? toJson(migration) : formatMigration(migration, undo));
			} catch (error) {
				process.exitCode = failed('migrate-device-model', error);
			}
		});
}

interface CreateFlags {
	size?: number;
	align?: number;
	json?: boolean;
}

function addCreate(program: Command): void {
	program
		.command('create-device')
		.description(
			'Makes a device-DAX device in devdax mode. Its memory is free memory of a dynamic region (Soft Reserved or CXL memory). Needs root.',
		)
		.argument('<region>', 'its name or number, as daxkind regions shows them')
		.option('-s, --size <size>', 'the size of the device (default: all free memory of the region)', sizeOption)
		.option('-a, --align <size>', "mappings have to be multiples of this (default: the region's alignment)", sizeOption)
		.option(...jsonOption)
		.addHelpText('after', `${statuses}\n\nExample: daxkind create-device hmem.0 --size 16G`)
		.action(async (region: string, { json = false, ...options }: CreateFlags) => {
			const { createDeviceAsync } = await import('../device/index.ts');
			await each<DeviceChange>([region], {
				command: 'create-device',
				json,
				run: (given, signal) => createDeviceAsync(given, { ...options, signal }),
				say: (_, { device }) => `${device.name} has ${formatBytes(device.size ?? 0)} of ${device.region}`,
				toJson: changeJson,
			});
		});
}

function addDestroy(program: Command): void {
	program
		.command('destroy-device')
		.description(
			'Removes a device of a dynamic region. Its memory is free in the region then, and the content of the memory stays. The first device of a region stays, without memory. Needs root.',
		)
		.argument(...deviceArgument)
		.option(...jsonOption)
		.addHelpText('after', `${statuses}\n\nExample: daxkind destroy-device dax0.1`)
		.action(async (devices: string[], { json = false }: { json?: boolean }) => {
			const { destroyDeviceAsync } = await import('../device/index.ts');
			await each<{ changed: boolean; region: DaxRegion }>(devices, {
				command: 'destroy-device',
				json,
				run: (device) => destroyDeviceAsync(device),
				say: (device, { changed, region }) =>
					`${device} ${changed ? 'is destroyed' : 'has no memory, and the kernel keeps it; nothing was done'}: ${formatBytes(region.availableSize ?? 0)} of ${region.name} are free`,
				toJson: ({ changed, region }) => ({ changed, ...regionJson(region) }),
			});
		});
}

/** Adds enable-device or disable-device. */
function addSwitch(program: Command, verb: 'enable' | 'disable', description: string): void {
	program
		.command(`${verb}-device`)
		.description(`${description} Needs root.`)
		.argument(...deviceArgument)
		.option(...jsonOption)
		.addHelpText('after', `${statuses}\n\nExample: daxkind ${verb}-device dax0.0`)
		.action(async (devices: string[], { json = false }: { json?: boolean }) => {
			const { disableDeviceAsync, enableDeviceAsync } = await import('../device/index.ts');
			await each<DeviceChange>(devices, {
				command: `${verb}-device`,
				json,
				run: (device) => (verb === 'enable' ? enableDeviceAsync(device) : disableDeviceAsync(device)),
				say: (_, { changed, device }) =>
					`${device.name} is ${device.mode === 'disabled' ? 'disabled' : `in ${device.mode} mode`}${changed ? '' : ' already; nothing was done'}`,
				toJson: changeJson,
			});
		});
}

/** Adds the subcommands. */
export function addDeviceOperations(program: Command): void {
	addReconfigure(program);
	addMemory(
		program,
		'online',
		'Brings the memory blocks of a device in system-ram mode online. They go to zone Movable, so that they can be taken offline again.',
	);
	addMemory(
		program,
		'offline',
		'Takes the memory blocks of a device in system-ram mode offline. The kernel moves what is in them elsewhere, and processes go on. If one block cannot be taken offline, all blocks go back to the state that they had.',
	);
	addCreate(program);
	addDestroy(program);
	addSwitch(program, 'enable', 'Gives a disabled device to the driver device_dax. Then it is in devdax mode.');
	addSwitch(
		program,
		'disable',
		'Takes a device from its driver. Then nobody can map it, and nothing uses its memory. It refuses while somebody maps the device, or while its memory is online.',
	);
	addMigrate(program);
}
