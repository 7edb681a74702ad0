// Finds, makes or downloads all that a guest needs before QEMU starts: programs, a kernel with an initramfs, firmware
// and, for an emulated architecture, its device tree and programs.
import { join } from 'node:path';
import { qemuPrograms } from './architecture.ts';
import { deviceTree } from './device-tree.ts';
import { findFirmware } from './firmware.ts';
import { efiImage, plainImage, startableImage } from './image.ts';
import { initramfs } from './initramfs.ts';
import { type Kernel, ownKernel, packagedArm64, packagedKernel } from './kernel.ts';
import type { Plan } from './options.ts';
import { requirePrograms } from './programs.ts';
import { type Machine, treeArguments } from './qemu.ts';

/** What the caller wants of the kernel and of the preparation. */
export interface Wishes {
	kernel: string | undefined;
	modules: string | undefined;
	signal: AbortSignal | undefined;
	onProgress: (what: string) => void;
}

/** All that has to exist before a guest starts. */
export interface PreparedGuest {
	/** Absolute paths of this machine's programs, by name. */
	programs: ReadonlyMap<string, string>;
	kernel: Kernel;
	/** The files that QEMU gets. */
	files: Pick<Machine, 'kernel' | 'initramfs' | 'firmware' | 'deviceTree' | 'userland'>;
}

/** @throws ERR_DAXKIND_VM_MISSING_PROGRAMS, ERR_DAXKIND_VM_NO_KERNEL, ERR_DAXKIND_VM_CACHE, ERR_DAXKIND_VM_FAILED */
export async function prepareGuest(plan: Plan, wishes: Wishes): Promise<PreparedGuest> {
	const programs = requirePrograms(plan.features);
	return plan.arch === 'arm64' ? prepareArm64(plan, wishes, programs) : prepareX64(plan, wishes, programs);
}

type Programs = ReadonlyMap<string, string>;

async function prepareX64(plan: Plan, { kernel: own, modules, ...wishes }: Wishes, programs: Programs) {
	const kernel =
		own === undefined
			? await packagedKernel(() => wishes.onProgress('downloading a kernel'), wishes.signal)
			: ownKernel(own, modules);
	const isUefi = plan.firmwareType === 'uefi';
	const [image, initrd] = await Promise.all([
		isUefi ? efiImage(kernel.image) : startableImage(kernel.image),
		initramfs(kernel, plan.features, programs),
	]);
	return {
		programs,
		kernel,
		files: { kernel: image, initramfs: initrd, ...(isUefi && { firmware: findFirmware()! }) },
	};
}

async function prepareArm64(plan: Plan, { kernel: own, modules, ...wishes }: Wishes, programs: Programs) {
	const { regions } = plan.layout;
	const distribution = await packagedArm64(
		() => wishes.onProgress('downloading a kernel and programs for arm64'),
		wishes.signal,
	);
	const { userland } = distribution;
	const kernel = own === undefined ? distribution.kernel : ownKernel(await plainImage(own), modules);
	const busybox = join(userland, 'usr/bin/busybox');
	const [initrd, tree] = await Promise.all([
		initramfs(kernel, plan.features, new Map([...programs, ['busybox', busybox]])),
		regions.length === 0
			? undefined
			: deviceTree(programs.get(qemuPrograms.arm64)!, treeArguments({ ...plan, accelerator: 'tcg' }), regions),
	]);
	const files = { kernel: kernel.image, initramfs: initrd, userland, ...(tree !== undefined && { deviceTree: tree }) };
	return { programs, kernel, files };
}
