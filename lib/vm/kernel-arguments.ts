// The command line of the guest's kernel: the VM's own arguments, then those that a person adds.
import { invalidArgType, invalidArgValue, outOfRange } from '../errors.ts';
import { arm64Machine, type MemoryLayout, memArguments, memmapArguments } from './layout.ts';

/** What the kernel's command line depends on. */
export interface KernelSettings {
	layout: MemoryLayout;
	/** Whether the kernel writes its whole log to the console. */
	verbose: boolean;
	/** A person's own arguments, which come last and unchanged. */
	append?: string;
}

/** The arguments that tell each architecture's kernel about its machine. */
const machineArguments = (layout: MemoryLayout): string[] =>
	layout.machine === arm64Machine
		? ['console=ttyAMA0', ...memArguments(layout)]
		: [
				'console=ttyS0',
				'tsc=reliable',
				'no_timer_check',
				...memmapArguments(layout),
				// Newer kernels need an interrupt for the events of a CXL device, and QEMU 7.2 has none. Without the
				// services of PCIe they work without it.
				...(layout.plugged.cxl.length > 0 ? ['pcie_ports=compat'] : []),
			];

/** The kernel's command line. */
export function kernelArguments({ layout, verbose, append }: KernelSettings): string {
	return [
		...machineArguments(layout),
		...(verbose ? [] : ['quiet']),
		'panic=-1', // reboot at once; -no-reboot makes QEMU end then
		'nokaslr', // KASLR avoids only the first four memmap entries
		'mitigations=off', // the guest runs the caller's own command on a copy of the caller's files
		'rcupdate.rcu_expedited=1',
		'cryptomgr.notests',
		'rdinit=/init',
		...(append === undefined ? [] : [append]),
	].join(' ');
}

/** Kernel: COMMAND_LINE_SIZE of x86, with the NUL at the end. The kernel drops the rest without a message. */
const MAX_BYTES = 2048;
/** OVMF appends this to the command line, because some kernels look for it there. */
const ADDED_BY_FIRMWARE = ' initrd=initrd\0';

/** The arguments that make the VM's devices. The kernel also accepts them in quotes. */
const memmap = /(?:^|\s)"*memmap=/;
const mem = /(?:^|\s)"*mem=/;

/**
 * Checks what a person adds to the kernel's command line. Where the VM itself makes devices by `memmap=`, a person may
 * add no `memmap=`: it could take their memory, and the guest would take its devices for theirs.
 *
 * @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, or ERR_OUT_OF_RANGE if the kernel would not see all of it.
 */
export function checkAppend(append: unknown, layout: MemoryLayout): asserts append is string {
	if (typeof append !== 'string') throw invalidArgType('options.append', 'a string', append);
	if (/[\0\n]/.test(append)) throw invalidArgValue('append', 'one line', append);
	if (memmap.test(append) && memmapArguments(layout).length > 0) {
		throw invalidArgValue(
			'append',
			'without memmap= unless the VM has no pmem devices (--no-pmem, pmem: []) and no hmem devices',
			append,
		);
	}
	if (mem.test(append) && layout.machine === arm64Machine && memArguments(layout).length > 0) {
		throw invalidArgValue('append', 'without mem= unless the VM has no pmem devices (--no-pmem, pmem: [])', append);
	}
	const room = MAX_BYTES - Buffer.byteLength(kernelArguments({ layout, verbose: false, append: ADDED_BY_FIRMWARE }));
	if (Buffer.byteLength(append) > room) throw outOfRange('append', `at most ${room} bytes`, Buffer.byteLength(append));
}
