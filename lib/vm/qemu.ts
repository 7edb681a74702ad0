// Builds QEMU's command line for one guest.

import { KIB, MIB } from '../size.ts';
import type { Firmware } from './firmware.ts';
import { type KernelSettings, kernelArguments } from './kernel-arguments.ts';
import { arm64Machine, LABEL_SIZE, type MemoryLayout, nodesOf } from './layout.ts';
import { portDescriptor, portNames, portNumbers } from './ports.ts';

export type Accelerator = 'kvm' | 'tcg';

/** What a caller may ask for. */
export const acceleratorChoices = ['auto', 'kvm', 'tcg'] as const;

/** The processors and the memory of a guest. */
export interface Board {
	layout: MemoryLayout;
	accelerator: Accelerator;
	/** Virtual processors. */
	cpus: number;
	/** Whether the processor's caches are saved, too, when the power fails. */
	eadr?: boolean;
	/** Files of the first nvdimms. */
	nvdimmFiles?: readonly string[];
	/** Sockets of virtiofsd, one for each shared directory. The guest mounts them by the tags virtiofs0, virtiofs1… */
	sharing?: readonly string[];
}

/** All parts of a guest. */
export interface Machine extends Board, KernelSettings {
	/** UEFI firmware. Absent: QEMU's own BIOS. */
	firmware?: Firmware;
	/** The file that describes the pmem of an arm64 machine (see device-tree.ts). */
	deviceTree?: string;
	/**
	 * Programs of the guest's architecture, which are laid over this machine's files. Absent: the guest runs this
	 * machine's programs.
	 */
	userland?: string;
	/** A bzImage. With the BIOS also an uncompressed kernel with a PVH note, which starts 3 s sooner under TCG. */
	kernel: string;
	initramfs: string;
}

const MEMFD = 'memory-backend-memfd,share=on';

/** A value among the arguments of a device: QEMU reads a comma only if it is doubled. */
const value = (text: string) => text.replaceAll(',', ',,');

/**
 * An nvdimm, on a NUMA node if the machine has any. Its memory is a file, or has no file, but a descriptor: a flush of
 * virtio-pmem is an fsync of it.
 */
const nvdimmArguments = (
	id: string,
	size: number,
	{ node, file }: { node?: number | undefined; file?: string | undefined },
) => [
	'-object',
	`${file === undefined ? MEMFD : `memory-backend-file,share=on,mem-path=${value(file)}`},id=${id}-memory,size=${size + LABEL_SIZE}`,
	'-device',
	`nvdimm,id=${id},memdev=${id}-memory,label-size=${LABEL_SIZE}${node === undefined ? '' : `,node=${node}`}`,
];

/** The size of the memory in which a CXL device keeps its labels. */
const CXL_LABEL_SIZE = 256 * KIB;

/** A CXL type 3 device behind a root port of its own host bridge, and the window that the host bridge decodes. */
const cxlArguments = (size: number) => [
	...['-object', `${MEMFD},id=cxl-memory,size=${size}`],
	...['-object', `${MEMFD},id=cxl-labels,size=${CXL_LABEL_SIZE}`],
	// This number is far above those that the machine gives its own buses.
	...['-device', 'pxb-cxl,bus_nr=128,bus=pcie.0,id=cxl-bridge'],
	...['-device', 'cxl-rp,port=0,bus=cxl-bridge,id=cxl-port,chassis=0,slot=2'],
	...['-device', 'cxl-type3,bus=cxl-port,memdev=cxl-memory,lsa=cxl-labels,id=cxl0'],
];

/** The arguments for plugged memory. */
function pluggedArguments({ layout, nvdimmFiles = [] }: Board): string[] {
	const { nvdimm, devdax, virtioPmem } = layout.plugged;
	const nodes = nodesOf(layout);
	return [
		...nvdimm.flatMap((size, n) => nvdimmArguments(`nvdimm${n}`, size, { file: nvdimmFiles[n] })),
		...devdax.flatMap((size, n) => nvdimmArguments(`devdax${n}`, size, { node: nodes?.devdax[n] })),
		...virtioPmem.flatMap((size, n) => [
			...['-object', `${MEMFD},id=virtio-pmem${n}-memory,size=${size}`],
			...['-device', `virtio-pmem-pci,id=virtio-pmem${n},memdev=virtio-pmem${n}-memory`],
		]),
	];
}

/** Whether the machine's memory consists of one memory object for each NUMA node. */
const isSplit = (layout: MemoryLayout) => nodesOf(layout) !== undefined;

function machineType({ layout, eadr = false, sharing = [] }: Board): string {
	const { machine, below4G, plugged } = layout;
	return [
		machine,
		// The older interrupt controller serves only 8 processors.
		...(machine === arm64Machine ? ['gic-version=3'] : [`max-ram-below-4g=${below4G}`]),
		// When the power fails, stores that have reached the memory controller are saved (ADR), or also those in the
		// caches (eADR).
		...(plugged.nvdimm.length + plugged.devdax.length > 0
			? ['nvdimm=on', `nvdimm-persistence=${eadr ? 'cpu' : 'mem-ctrl'}`]
			: []),
		...(sharing.length > 0 && !isSplit(layout) ? ['memory-backend=ram'] : []),
		...(plugged.cxl.length > 0 ? ['cxl=on', 'cxl-fmw.0.targets.0=cxl-bridge', `cxl-fmw.0.size=${plugged.cxl[0]}`] : []),
	].join();
}

/**
 * The processors of a node, for `-numa`. The numbers of two nodes differ by one at most. If there are too few, some
 * nodes have none.
 */
function cpusOf(node: number, nodes: number, cpus: number): string {
	const first = Math.ceil((node * cpus) / nodes);
	const next = Math.ceil(((node + 1) * cpus) / nodes);
	return first < next ? `,cpus=${first}-${next - 1}` : '';
}

/** A socket never extends over two nodes: no real machine does that, and the kernel warns of it. */
function smpArguments({ cpus, layout }: Board): string[] {
	const nodes = layout.nodes.length;
	const sockets = nodes === 1 ? '' : `,sockets=${cpus % nodes === 0 ? nodes : cpus}`;
	return ['-smp', `${cpus}${sockets}`];
}

/** UEFI in flash memory. What it writes to its variables is lost after this run. */
const firmwareArguments = ({ firmware }: Machine): string[] =>
	firmware
		? [
				...['-drive', `if=pflash,unit=0,format=raw,readonly=on,file=${firmware.code}`],
				...['-drive', `if=pflash,unit=1,format=raw,snapshot=on,file=${firmware.variables}`],
			]
		: [];

/**
 * The memory that the guest has from the start: one object if virtiofsd accesses it, or one for each NUMA node that has
 * some.
 */
function ramArguments({ layout, cpus, sharing = [] }: Board): string[] {
	const backend = sharing.length > 0 ? MEMFD : 'memory-backend-ram';
	const nodes = nodesOf(layout);
	if (nodes === undefined) return sharing.length > 0 ? ['-object', `${MEMFD},id=ram,size=${layout.total}`] : [];
	return [
		...layout.nodes.flatMap((size, node) => [
			...['-object', `${backend},id=ram${node},size=${size}`],
			...['-numa', `node,nodeid=${node},memdev=ram${node}${cpusOf(node, layout.nodes.length, cpus)}`],
		]),
		...nodes.devdax.flatMap((node) => ['-numa', `node,nodeid=${node}`]),
		...nodes.hmem.flatMap((node, n) => [
			...['-object', `${backend},id=hmem${n}-memory,size=${layout.softReserved[n]!.size}`],
			...['-numa', `node,nodeid=${node},memdev=hmem${n}-memory`],
		]),
	];
}

/**
 * The directories that virtiofsd shares. virtiofsd reads and writes the guest's memory, so the memory must be shared
 * with it.
 */
const sharingArguments = ({ sharing = [] }: Board): string[] =>
	sharing.flatMap((socket, n) => [
		...['-chardev', `socket,id=virtiofs${n},path=${socket.replaceAll(',', ',,')}`],
		...['-device', `vhost-user-fs-pci,chardev=virtiofs${n},tag=virtiofs${n}`],
	]);

function memoryArguments({ total, maximum, plugged }: MemoryLayout): string[] {
	const slots = plugged.nvdimm.length + plugged.devdax.length;
	return ['-m', `${total / MIB}M${maximum > total ? `,slots=${slots},maxmem=${maximum / KIB}K` : ''}`];
}

/** The accelerator, and the model of the guest's processors. */
function cpuArguments({ accelerator, layout }: Board): string[] {
	// The emulation of pointer authentication would take most of the time.
	if (layout.machine === arm64Machine) return ['-accel', 'tcg,thread=multi', '-cpu', 'max,pauth=off'];
	// From 6.3 on, a kernel makes no CXL region in a guest. This bit of the processor tells it that it is one.
	const bare = layout.plugged.cxl.length > 0 ? ',hypervisor=off' : '';
	if (accelerator === 'kvm') return ['-accel', 'kvm', '-cpu', `host${bare}`];
	// 5-level page tables bring nothing here, and make TLB misses slower.
	return ['-accel', 'tcg,thread=multi', '-cpu', `max,la57=off${bare}`];
}

const sharedReadOnly = (tag: string, path: string): string[] => [
	'-virtfs',
	`local,path=${path.replaceAll(',', ',,')},mount_tag=${tag},security_model=none,readonly=on,multidevs=remap`,
];

/** The arguments that decide what is in the device tree of an arm64 machine, `-machine` first. */
export const treeArguments = (machine: Board): [type: string, ...rest: string[]] => [
	machineType(machine),
	...cpuArguments(machine),
	...smpArguments(machine),
	...memoryArguments(machine.layout),
	...ramArguments(machine),
];

/** QEMU's arguments, without the program's name. The descriptors from 3 on are the ports' sockets (see ports.ts). */
export function qemuArguments(machine: Machine): string[] {
	const { layout, kernel, initramfs, deviceTree, userland } = machine;
	const [type, ...rest] = treeArguments(machine);
	return [
		'-nodefaults',
		'-no-user-config',
		'-no-reboot',
		...['-display', 'none'],
		...['-nic', 'none'],
		...['-machine', type],
		...rest,
		...pluggedArguments(machine),
		...sharingArguments(machine),
		...firmwareArguments(machine),
		...['-rtc', 'base=utc'],
		...['-serial', 'stdio'],
		...['-kernel', kernel],
		...['-initrd', initramfs],
		...['-append', kernelArguments(machine)],
		...(deviceTree === undefined ? [] : ['-dtb', deviceTree]),
		...sharedReadOnly('root', '/'),
		...(userland === undefined ? [] : sharedReadOnly('userland', userland)),
		...['-device', 'virtio-serial-pci'],
		...portNames.flatMap((port) => [
			...['-chardev', `socket,id=${port},fd=${portDescriptor(port)}`],
			...['-device', `virtserialport,chardev=${port},name=daxkind.${port},nr=${portNumbers[port]}`],
		]),
		// These come last, because a device that names no bus is put on the newest one.
		...layout.plugged.cxl.flatMap(cxlArguments),
	];
}
