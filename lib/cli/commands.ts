// The subcommands, in the groups and the order of the main help, and the file of each. Only the file of the requested
// subcommand is loaded, because loading all of them takes several times as long as Node's own start.
import type { Command } from 'commander';

type Add = (program: Command) => void;

interface File {
	/** The main help's text for each subcommand of the file, by name. */
	summaries: Readonly<Record<string, string>>;
	/** Loads the function that adds them. */
	load(): Promise<Add>;
}

interface Group {
	heading: string;
	files: readonly File[];
}

export const groups: readonly Group[] = [
	{
		heading: 'Is it on DAX:',
		files: [
			{
				summaries: { explain: 'say whether a path is on DAX, why, and what to do' },
				load: async () => (await import('./explain.ts')).addExplainCommand,
			},
			{
				summaries: { inspect: 'show everything that decides whether a path is on DAX' },
				load: async () => (await import('./inspect.ts')).addInspectCommand,
			},
			{
				summaries: { mounts: 'list the mounts where files can be on DAX' },
				load: async () => (await import('./mounts.ts')).addMountsCommand,
			},
			{
				summaries: { statx: 'show the status of a file, with its DAX state' },
				load: async () => (await import('./statx.ts')).addStatxCommand,
			},
			{
				summaries: { lsattr: 'list extended flags, among them the DAX flag' },
				load: async () => (await import('./lsattr.ts')).addLsattrCommand,
			},
			{
				summaries: { chattr: 'set (+x) or clear (-x) the DAX flag' },
				load: async () => (await import('./chattr.ts')).addChattrCommand,
			},
		],
	},
	{
		heading: 'Bad blocks:',
		files: [
			{
				summaries: { badblocks: 'say which files are on bad blocks, and where' },
				load: async () => (await import('./badblocks.ts')).addBadBlocksCommand,
			},
			{
				summaries: { repair: 'repair files and devices that have bad blocks' },
				load: async () => (await import('./repair.ts')).addRepairCommand,
			},
		],
	},
	{
		heading: 'Device DAX:',
		files: [
			{
				summaries: {
					devices: 'list the device-DAX devices, and the mode of each',
					regions: 'list the regions that devices are parts of',
				},
				load: async () => (await import('./devices.ts')).addDeviceCommands,
			},
			{
				summaries: {
					'reconfigure-device': 'move a device between devdax and system-ram mode',
					'online-memory': 'bring the memory of a device online',
					'offline-memory': 'take the memory of a device offline',
					'create-device': 'make a device of free memory of a region',
					'destroy-device': 'give the memory of a device back to its region',
					'enable-device': 'give a device to the driver device_dax',
					'disable-device': 'take a device from its driver',
					'migrate-device-model': 'put devices on the bus that system-ram mode needs',
				},
				load: async () => (await import('./device-operations.ts')).addDeviceOperations,
			},
		],
	},
	{
		heading: 'Without persistent memory:',
		files: [
			{
				summaries: { memmap: 'plan persistent memory that the kernel emulates in RAM' },
				load: async () => (await import('./memmap.ts')).addMemmapCommand,
			},
			{
				summaries: { vm: 'run a command on emulated pmem with real DAX, in a VM' },
				load: async () => (await import('./vm.ts')).addVmCommand,
			},
		],
	},
];
