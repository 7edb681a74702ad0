// What a guest starts from: programs, a kernel with an initramfs, firmware, and what an emulated architecture needs besides. All of it is
// found, made or downloaded before QEMU starts.
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

/** What a person said of the kernel, and of the run. */
export interface Wishes {
	kernel: string | undefined;
	modules: string | undefined;
	signal: AbortSignal | undefined;
	onProgress: (what: string) => void;
}

/** Everything that is there before a guest starts. */
export interface PreparedGuest {
	/** Absolute paths by program name, of this machine. */
	programs: ReadonlyMap<string, string>;
	kernel: Kernel;
	/** What QEMU is given of it. */
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
