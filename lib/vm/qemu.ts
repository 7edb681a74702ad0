// Builds QEMU's command line for one guest.
import { LABEL_SIZE, type MemoryLayout, memmapArguments } from './layout.ts';
import { portDescriptor, portNames, portNumbers } from './ports.ts';
import { KIB, MIB } from './size.ts';

export type Accelerator = 'kvm' | 'tcg';

/** What a guest is made of. */
export interface Machine {
	accelerator: Accelerator;
	/** Virtual processors. */
	cpus: number;
	layout: MemoryLayout;
	/** Sockets of virtiofsd, for what the guest mounts by the tags virtiofs0, virtiofs1… */
	sharing?: readonly string[];
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

const MEMFD = 'memory-backend-memfd,share=on';

/** The devices of plugged memory. Memory without a file, but with a descriptor: a flush of virtio-pmem is an fsync of it. */
function pluggedArguments({ plugged: { nvdimm, virtioPmem } }: MemoryLayout): string[] {
	return [
		...nvdimm.flatMap((size, n) => [
			...['-object', `${MEMFD},id=nvdimm${n}-memory,size=${size + LABEL_SIZE}`],
			...['-device', `nvdimm,id=nvdimm${n},memdev=nvdimm${n}-memory,label-size=${LABEL_SIZE}`],
		]),
		...virtioPmem.flatMap((size, n) => [
			...['-object', `${MEMFD},id=virtio-pmem${n}-memory,size=${size}`],
			...['-device', `virtio-pmem-pci,id=virtio-pmem${n},memdev=virtio-pmem${n}-memory`],
		]),
	];
}

/** Real modules write out what has reached the memory controller when the power fails (ADR), so that is what the guest is told. */
const machineType = ({ layout: { below4G, plugged }, sharing = [] }: Machine): string =>
	`pc,max-ram-below-4g=${below4G}${plugged.nvdimm.length > 0 ? ',nvdimm=on,nvdimm-persistence=mem-ctrl' : ''}${sharing.length > 0 ? ',memory-backend=ram' : ''}`;

/** virtiofsd reads and writes the guest's memory, which must be shared with it. */
function sharingArguments({ layout, sharing = [] }: Machine): string[] {
	if (sharing.length === 0) return [];
	return [
		...['-object', `${MEMFD},id=ram,size=${layout.total}`],
		...sharing.flatMap((socket, n) => [
			...['-chardev', `socket,id=virtiofs${n},path=${socket.replaceAll(',', ',,')}`],
			...['-device', `vhost-user-fs-pci,chardev=virtiofs${n},tag=virtiofs${n}`],
		]),
	];
}

function memoryArguments({ total, maximum, plugged }: MemoryLayout): string[] {
	const room = maximum > total ? `,slots=${plugged.nvdimm.length},maxmem=${maximum / KIB}K` : '';
	return ['-m', `${total / MIB}M${room}`];
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
		...['-machine', machineType(machine)],
		...(accelerator === 'kvm'
			? ['-accel', 'kvm', '-cpu', 'host']
			: // 5-level page tables only make TLB misses dearer.
				['-accel', 'tcg,thread=multi', '-cpu', 'max,la57=off']),
		...['-smp', String(cpus)],
		...memoryArguments(layout),
		...pluggedArguments(layout),
		...sharingArguments(machine),
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
