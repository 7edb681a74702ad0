// runVm: from a person's options to the command's exit status.
import { randomBytes } from 'node:crypto';
import { arch, platform } from 'node:os';
import { daxkindError } from '../errors.ts';
import { chooseAccelerator, forgetVerdict } from './accelerator.ts';
import { deadline } from './deadline.ts';
import { processEnvironment } from './environment.ts';
import { findFirmware } from './firmware.ts';
import { type Ending, runGuest } from './guest.ts';
import { efiImage, startableImage } from './image.ts';
import { initramfs } from './initramfs.ts';
import { jobScript } from './job.ts';
import { ownKernel, packagedKernel } from './kernel.ts';
import { planRun, type VmOptions } from './options.ts';
import { requirePrograms } from './programs.ts';
import { type Accelerator, qemuArguments } from './qemu.ts';
import { startSharing } from './virtiofs.ts';

/** How long a guest on KVM that once worked may take before it is given up for TCG. */
const KVM_ALIVE_MS = 30_000;

function statusOf(ending: Ending, timeout: number, signal: AbortSignal | undefined): number {
	switch (ending.kind) {
		case 'exit':
			return ending.status;
		case 'failure':
			throw daxkindError('ERR_DAXKIND_VM_FAILED', ending.reason);
		case 'stopped':
			signal?.throwIfAborted();
			throw daxkindError('ERR_DAXKIND_VM_TIMEOUT', `the guest did not end within ${timeout} s and was killed`);
		default:
			throw daxkindError(
				'ERR_DAXKIND_VM_FAILED',
				`the guest ended before the command did: ${ending.kind === 'death' ? ending.reason : 'probe'}`,
			);
	}
}

/**
 * Runs a command in a virtual machine with emulated persistent memory, formatted and mounted with DAX. The guest sees this machine's file
 * system, copy on write; nothing that the command writes comes back but its output, and what it writes to `virtiofs`. It needs no root. The command runs as the guest's root,
 * with DAXKIND_VM in its environment, and with DAXKIND_MOUNT, DAXKIND_PMEM, DAXKIND_NVDIMM, DAXKIND_VIRTIO_PMEM, DAXKIND_DEVDAX,
 * DAXKIND_HMEM, DAXKIND_CXL and DAXKIND_VIRTIOFS (the first mount point or device of each sort) and the same with an S at the end (all of them, separated by colons).
 *
 * @returns The command's exit status, 128+n if signal n ended it, 126 or 127 if it could not be started.
 * @throws ERR_DAXKIND_VM_UNSUPPORTED on another machine than x86-64 Linux, ERR_DAXKIND_VM_MISSING_PROGRAMS, ERR_DAXKIND_VM_NO_KERNEL,
 * ERR_DAXKIND_VM_CACHE, ERR_DAXKIND_VM_DIRECTORY, ERR_DAXKIND_VM_FAILED if the guest could not get as far as the command's end, ERR_DAXKIND_VM_TIMEOUT, the
 * signal's reason, an error of `stdout` or `stderr`, and ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE or ERR_OUT_OF_RANGE for an option.
 * @example await runVm({ command: ['df', '-h'], fs: ['xfs'], stdout: process.stdout })
 */
export async function runVm(options: VmOptions): Promise<number> {
	if (platform() !== 'linux' || arch() !== 'x64') {
		throw daxkindError(
			'ERR_DAXKIND_VM_UNSUPPORTED',
			`the VM with emulated pmem runs on x86-64 Linux only; this is ${platform()} on ${arch()}`,
		);
	}
	const {
		erofsSource,
		cpus,
		timeout,
		accelerator: wanted,
		devices,
		plugged,
		layout,
		eadr,
		directory,
		shared,
		firmware,
		append,
		features,
	} = planRun(options);
	const { signal, onProgress = () => {} } = options;
	const programs = requirePrograms(features);
	const kernel =
		options.kernel === undefined
			? await packagedKernel(() => onProgress('downloading a kernel'), signal)
			: ownKernel(options.kernel, options.modules);
	const [image, initrd] = await Promise.all([
		firmware === 'uefi' ? efiImage(kernel.image) : startableImage(kernel.image),
		initramfs(kernel, features, programs),
	]);
	const probe = { kernel: image, initramfs: initrd, programs, signal };
	const trailer = randomBytes(16).toString('hex');
	const job = jobScript({
		trailer,
		devices,
		plugged,
		shares: shared.length,
		directory,
		programs,
		command: options.command,
		environment: options.env ?? processEnvironment(),
		mergeOutput: options.mergeOutput ?? false,
		...(kernel.modules !== undefined &&
			kernel.release !== undefined && { modules: { directory: kernel.modules, release: kernel.release } }),
		...(erofsSource !== undefined && { erofsSource }),
	});
	const boot = async (accelerator: Accelerator): Promise<Ending> => {
		onProgress(`booting (${accelerator.toUpperCase()})`);
		const sharing = await startSharing(shared, programs, limit.signal);
		let failure: Error | undefined;
		let ending: Ending;
		try {
			ending = await runGuest({
				qemu: programs.get('qemu-system-x86_64')!,
				setpriv: programs.get('setpriv')!,
				args: qemuArguments({
					accelerator,
					cpus,
					layout,
					eadr,
					sharing: sharing.sockets,
					...(firmware === 'uefi' && { firmware: findFirmware()! }),
					...(append !== undefined && { append }),
					kernel: image,
					initramfs: initrd,
					verbose: options.console !== undefined,
				}),
				job,
				trailer,
				stdin: options.stdin,
				stdout: options.stdout,
				stderr: options.stderr,
				console: options.console,
				signal: limit.signal,
				foundation: sharing.broken,
				aliveWithinMs: accelerator === 'kvm' && wanted === 'auto' ? KVM_ALIVE_MS : undefined,
			});
		} finally {
			failure = await sharing.stop();
		}
		// QEMU does not outlive a virtiofsd, and may be the first whose end is seen.
		if (failure && ending.kind === 'death') throw failure;
		return ending;
	};
	const accelerator = wanted === 'auto' ? await chooseAccelerator(probe) : wanted;
	signal?.throwIfAborted();
	const limit = deadline(timeout * 1000, signal);
	let ending: Ending;
	try {
		ending = await boot(accelerator);
		if (wanted === 'auto' && accelerator === 'kvm' && ending.kind === 'death' && !ending.alive) {
			await forgetVerdict(probe);
			ending = await boot('tcg');
		}
	} finally {
		limit.clear();
	}
	if (ending.kind === 'exit' && ending.outOfMemory) {
		options.onWarning?.('the guest ran out of memory and its kernel killed a process; give it more (memory)');
	}
	return statusOf(ending, timeout, signal);
}
