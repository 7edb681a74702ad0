// runVm: takes a person's options, and gives the command's exit status.
import { randomBytes } from 'node:crypto';
import { arch, platform } from 'node:os';
import { daxkindError } from '../errors.ts';
import { processEnvironment } from '../process-bytes.ts';
import { chooseAccelerator, forgetVerdict } from './accelerator.ts';
import { qemuPrograms } from './architecture.ts';
import { deadline } from './deadline.ts';
import { pmemProvider } from './device-tree.ts';
import { type Ending, runGuest } from './guest.ts';
import { jobScript } from './job.ts';
import { planRun, type VmOptions } from './options.ts';
import { prepareGuest } from './prepare.ts';
import { type Accelerator, type Machine, qemuArguments } from './qemu.ts';
import { startSharing } from './virtiofs.ts';

/** How long a guest may take to answer on KVM that worked before. After that, it is started again under TCG. */
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
 * Runs a command in a virtual machine with emulated persistent memory, formatted and mounted with DAX. The guest sees
 * this machine's file system, copy on write. Only the command's output and what it writes to `virtiofs` come back. The
 * VM needs no root. Without the option `kernel`, the first run downloads the distribution's kernel.
 *
 * The command runs as the guest's root. Its environment has DAXKIND_VM, and DAXKIND_MOUNT, DAXKIND_PMEM,
 * DAXKIND_NVDIMM, DAXKIND_VIRTIO_PMEM, DAXKIND_DEVDAX, DAXKIND_HMEM, DAXKIND_CXL and DAXKIND_VIRTIOFS: the first mount
 * point or device of each sort. The same names with an S at the end, and DAXKIND_VIRTIOFS_MOUNTS, have all of them,
 * separated by colons.
 *
 * QEMU has ended when the promise settles.
 *
 * @returns The command's exit status, 128+n if signal n ended it, 126 or 127 if it could not be started.
 * @throws ERR_DAXKIND_VM_UNSUPPORTED on a machine that is not x86-64 Linux, ERR_DAXKIND_VM_MISSING_PROGRAMS,
 * ERR_DAXKIND_VM_NO_KERNEL, ERR_DAXKIND_VM_CACHE, ERR_DAXKIND_VM_DIRECTORY, ERR_DAXKIND_VM_FAILED if the guest could
 * not run the command to its end, ERR_DAXKIND_VM_TIMEOUT, the signal's reason, an error of `stdout` or `stderr`, and
 * ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE or ERR_OUT_OF_RANGE for an option.
 * @example await runVm({ command: ['df', '-h'], fs: ['xfs'], stdout: process.stdout })
 */
export async function runVm(options: VmOptions): Promise<number> {
	if (platform() !== 'linux' || arch() !== 'x64') {
		throw daxkindError(
			'ERR_DAXKIND_VM_UNSUPPORTED',
			`the VM with emulated pmem runs on x86-64 Linux only, with a guest of x86-64 or arm64; this is ${platform()} on ${arch()}`,
		);
	}
	const plan = planRun(options);
	const { accelerator: wanted, timeout } = plan;
	const { signal, onProgress = () => {} } = options;
	const guest = await prepareGuest(plan, { kernel: options.kernel, modules: options.modules, onProgress, signal });
	const { programs, kernel, files } = guest;
	const trailer = randomBytes(16).toString('hex');
	const job = jobScript({
		...plan,
		trailer,
		programs,
		shares: plan.shared.length,
		...(plan.arch === 'arm64' && { pmemProvider: pmemProvider(plan.layout.regions) }),
		command: options.command,
		environment: options.env ?? processEnvironment(),
		mergeOutput: options.mergeOutput ?? false,
		...(kernel.modules !== undefined &&
			kernel.release !== undefined && { modules: { directory: kernel.modules, release: kernel.release } }),
	});
	const qemu = programs.get(qemuPrograms[plan.arch])!;
	const boot = async (accelerator: Accelerator): Promise<Ending> => {
		onProgress(`booting (${accelerator.toUpperCase()})`);
		const sharing = await startSharing(plan.shared, programs, limit.signal);
		const machine: Machine = {
			...plan,
			...files,
			accelerator,
			sharing: sharing.sockets,
			verbose: options.console !== undefined,
		};
		let failure: Error | undefined;
		let ending: Ending;
		try {
			ending = await runGuest({
				...options,
				qemu,
				setpriv: programs.get('setpriv')!,
				args: qemuArguments(machine),
				job,
				trailer,
				signal: limit.signal,
				foundation: sharing.broken,
				aliveWithinMs: accelerator === 'kvm' && wanted === 'auto' ? KVM_ALIVE_MS : undefined,
			});
		} finally {
			failure = await sharing.stop();
		}
		// QEMU ends when a virtiofsd does, and this process may see QEMU's end first.
		if (failure && ending.kind === 'death') throw failure;
		return ending;
	};
	const probe = { ...files, programs, signal };
	const accelerator = plan.arch === 'arm64' ? 'tcg' : wanted === 'auto' ? await chooseAccelerator(probe) : wanted;
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
		options.onWarning?.('the guest ran out of memory and its kernel killed a process; give it more memory (--memory)');
	}
	return statusOf(ending, timeout, signal);
}
