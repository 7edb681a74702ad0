// Builds QEMU's command line for one guest.
import { type MemoryLayout, memmapArguments } from './layout.ts';
import { portDescriptor, portNames, portNumbers } from './ports.ts';
import { MIB } from './size.ts';

export type Accelerator = 'kvm' | 'tcg';

/** What a guest is made of. */
export interface Machine {
	accelerator: Accelerator;
	/** Virtual processors. */
	cpus: number;
	layout: MemoryLayout;
	/** A bzImage, or an uncompressed kernel with a PVH note, which starts 3 s sooner under TCG. */
	kernel: string;
	initramfs: string;
	/** Whether the kernel writes its whole log to the console. */
	verbose: boolean;
}

/** The kernel's command line. */
function kernelArguments({ layout, verbose }: Pick<Machine, 'layout' | 'verbose'>): string[] {
	return [
		'console=ttyS0',
		...(verbose ? [] : ['quiet']),
		'panic=-1', // at once, and -no-reboot makes it QEMU's end
		'nokaslr', // KASLR avoids only the first four memmap entries
		'mitigations=off', // the guest runs the caller's own command on a copy of the caller's files
		'tsc=reliable',
		'no_timer_check',
		'rcupdate.rcu_expedited=1',
		'cryptomgr.notests',
		'rdinit=/init',
		...memmapArguments(layout),
	];
}

/** QEMU's arguments, without the program's name. Descriptors 3 and up are the ports' sockets (see ports.ts). */
export function qemuArguments(machine: Machine): string[] {
	const { accelerator, cpus, layout, kernel, initramfs } = machine;
	return [
		'-nodefaults',
		'-no-user-config',
		'-no-reboot',
		...['-display', 'none'],
		...['-nic', 'none'],
		...['-machine', `pc,max-ram-below-4g=${layout.below4G}`],
		...(accelerator === 'kvm'
			? ['-accel', 'kvm', '-cpu', 'host']
			: // 5-level page tables only make TLB misses dearer.
				['-accel', 'tcg,thread=multi', '-cpu', 'max,la57=off']),
		...['-smp', String(cpus)],
		...['-m', `${layout.total / MIB}M`],
		...['-rtc', 'base=utc'],
		...['-serial', 'stdio'],
		...['-kernel', kernel],
		...['-initrd', initramfs],
		...['-append', kernelArguments(machine).join(' ')],
		...['-virtfs', 'local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap'],
		...['-device', 'virtio-serial-pci'],
		...portNames.flatMap((port) => [
			...['-chardev', `socket,id=${port},fd=${portDescriptor(port)}`],
			...['-device', `virtserialport,chardev=${port},name=daxkind.${port},nr=${portNumbers[port]}`],
		]),
	];
}
